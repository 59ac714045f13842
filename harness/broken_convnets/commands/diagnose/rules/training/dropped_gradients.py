"""Gradients that are accumulated over several batches all lead to a step."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    location_in,
    require_success,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, OptimizerStep

TIMES = 2  # that gradients are dropped: once may be the end of the training
SHARE = 20  # one backward pass of so many is dropped, at least


@dataclass(frozen=True)
class _Dropped:
    """What repeats: so many steps, each after as many backward passes, and some without a step."""

    steps: int
    each: int
    without: int
    times: int
    last: OptimizerStep

    @property
    def in_all(self) -> int:
        """How many backward passes each repetition has."""
        return self.steps * self.each + self.without


@rule(
    "each accumulated gradient is used by a step",
    stays_quiet="unless the same number of backward passes is dropped after the same number of "
    "steps, twice or more; if all steps of some batches are skipped, if the gradients go into the "
    "next step, and if less than one pass of 20 is dropped",
)
def accumulated_gradients_dropped(evidence: Evidence) -> Iterator[Finding]:
    """Find a step every 8 batches in epochs of 15, whose last 7 are cleared without a step."""
    require_success(evidence)
    found = next(_dropped(evidence.record), None)
    if found is None:
        return
    condition = _condition(evidence, found.last)
    yield Finding(
        kind="training",
        message=f"the gradients of {found.without} of {found.in_all} batches are cleared, and no "
        "step has used them",
        evidence=f"{found.times} times, {found.steps * found.each} backward passes lead to a step "
        f"each {found.each}, and {found.without} more to none before their gradients are cleared; "
        "step after the last batch of an epoch, too",
        severity=Severity.WARNING,
        cause=location_in(*condition) if condition else location(found.last.places),
        subject=found.last.places[0].text,
        candidates=_also_at_the_end(*condition) if condition else (),
        confidence=6,
    )


def _dropped(record: Record) -> Iterator[_Dropped]:
    """Yield what repeats among the backward passes of one place."""
    steps = {step.number: step for step in record.optimizer_steps if step.places}
    used = _users(steps.values())
    trained = {key for step in steps.values() for key in step.parameters}
    passes = [b for b in _known_passes(record) if not trained.isdisjoint(b.received)]
    for places in dict.fromkeys(one.places for one in passes):
        own = [used.get(one.number) for one in passes if one.places == places]
        runs = [(user, len(list(members))) for user, members in groupby(own)]
        is_cut = record.backward_passes.omitted or record.optimizer_steps.omitted
        found = _repeated(runs[:-1] if is_cut else runs, steps)
        if found is not None and SHARE * found.without >= found.in_all:
            yield found


def _known_passes(record: Record) -> Iterator[BackwardPass]:
    """Yield the backward passes until one, or a step, was pushed out."""
    passes, steps = record.backward_passes, record.optimizer_steps
    for one in passes:
        is_after = steps.omitted and one.moment.optimizer_steps >= steps.omitted_after
        if one.number > passes.omitted_after or is_after:
            return
        if one.kind == "backward" and not one.raised:
            yield one


def _users(steps: Iterable[OptimizerStep]) -> dict[int, int]:
    """Return the number of the first step that uses the gradients of each backward pass."""
    used: dict[int, int] = {}
    for step in steps:
        for key in set(step.parameters) & step.holds.keys():
            for number in step.holds[key]:
                used.setdefault(number, step.number)
    return used


def _repeated(
    runs: list[tuple[int | None, int]], steps: dict[int, OptimizerStep]
) -> _Dropped | None:
    """Return the repetition in runs of backward passes with one user; None if it is irregular."""
    each = {length for user, length in runs if user is not None}
    without = {length for user, length in runs if user is None}
    ends = [place for place, (user, _) in enumerate(runs) if user is None]
    between = {end - begin - 1 for begin, end in zip([-1, *ends], ends, strict=False)}
    if len(ends) < TIMES or any(len(sizes) != 1 for sizes in (each, without, between)):
        return None
    (size,), (rest,), (count,) = each, without, between
    last = runs[ends[0] - 1][0] if count else None
    if last is None or rest >= size:
        return None
    return _Dropped(count, size, rest, len(ends), steps[last])


def _condition(evidence: Evidence, step: OptimizerStep) -> tuple[Source, ast.If] | None:
    """Return the innermost condition of a step, where it is called or in a caller."""
    for place in step.places:
        source = evidence.source(place.file)
        call = source.call_at(place) if source else None
        found = source.enclosing(call, ast.If) if source and call else None
        if source is not None and found is not None:
            return source, found
    return None


def _also_at_the_end(source: Source, condition: ast.If) -> tuple[Candidate, ...]:
    """Return the change that also steps after the last batch of `for i, x in enumerate(loader)`."""
    for loop in source.loops_around(condition):
        match loop:
            case ast.For(
                target=ast.Tuple(elts=[ast.Name(id=number), *_]),
                iter=ast.Call(func=ast.Name(id="enumerate"), args=[batches], keywords=[]),
            ) if isinstance(batches, ast.Name | ast.Attribute):
                test = source.text_of(condition.test)
                test = f"({test})" if isinstance(condition.test, ast.BoolOp) else test
                new = f"{test} or {number} + 1 == len({source.text_of(batches)})"
                return candidates((0, partial(edits.replace, source, [(condition.test, new)])))
    return ()
