"""The losses of an epoch are summed from 0."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.accuracy_reset import (
    divided_in_each_epoch,
    start_of,
)
from broken_convnets.commands.diagnose.rules.loss.counters import (
    RightAnswers,
    assigned_value,
    division_of,
    iterated,
    own_nodes,
    scope_of,
    unwrapped,
)
from broken_convnets.commands.diagnose.sites import candidates, location_in
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.losses import LossCall

EPOCHS = 2  # that a sum runs through, at least


@rule(
    "the losses of an epoch are summed from 0",
    stays_quiet="unless the sum is divided by the size of the loader or of its dataset after each "
    "loop over batches, and never set again",
)
def loss_sum_not_reset(evidence: Evidence) -> Iterator[Finding]:
    """Find `total += loss.item()` with `total / len(loader)` in each epoch, and one `total = 0`."""
    for total in totals_of_losses(evidence):
        division = divided_in_each_epoch(evidence, total, total.loop) if total.loop else None
        start = start_of(total)
        if division is None or _is_set_elsewhere(total, start):
            continue
        source = total.source
        yield Finding(
            kind="training/metric_not_reset",
            message=f"{total.name} is never set to 0 between epochs, so the mean loss contains the "
            "losses of all epochs before",
            evidence=f"{source.text_of(total.growth)} in each epoch, "
            f"{source.text_of(division.node)} after each epoch, and one start value before all",
            cause=location_in(source, start or total.growth),
            symptom=location_in(source, division.node),
            subject=source.text_of(division.node),
            cases=("loss/accuracy_not_reset",),
            candidates=_reset(total),
            confidence=7,
        )


def totals_of_losses(evidence: Evidence) -> Iterator[RightAnswers]:
    """Yield the variables that loops add losses to, with the divisions by the loops' length."""
    for source in evidence.user_sources:
        for growth in source.statements:
            if not isinstance(growth, ast.AugAssign) or not isinstance(growth.op, ast.Add):
                continue
            loop = next(iter(source.loops_around(growth)), None)
            name = source.text_of(growth.target)
            plain = isinstance(growth.target, ast.Name) or name.startswith("self.")
            if not plain or not isinstance(loop, ast.For):
                continue
            if len(_losses(evidence, source, growth)) < EPOCHS:
                continue
            batches = source.text_of(iterated(loop.iter))
            scope = scope_of(source, growth)
            total = RightAnswers(source, scope, name, growth, growth.value, loop, batches)
            found = (division_of(source, node, name) for node in own_nodes(scope))
            total.divisions += [d for d in found if d and _is_length(source, d.divisor, batches)]
            yield total


def _losses(evidence: Evidence, source: Source, growth: ast.AugAssign) -> list[LossCall]:
    """Return the recorded calls of the losses that a statement adds."""
    scope = scope_of(source, growth)
    names = (node for node in ast.walk(growth.value) if isinstance(node, ast.Name))
    values = [unwrapped(v) for name in names if (v := assigned_value(name, scope)) is not None]
    calls = [n for v in (growth.value, *values) for n in ast.walk(v) if isinstance(n, ast.Call)]
    found = []
    for call in evidence.record.losses:
        place = call.operator.place
        if place and place.file == source.path and source.call_at(place) in calls:
            found.append(call)
    return found


def _is_length(source: Source, divisor: ast.expr, batches: str) -> bool:
    if not isinstance(divisor, ast.Call) or called_name(divisor) != "len" or not divisor.args:
        return False
    return source.text_of(divisor.args[0]) in {batches, f"{batches}.dataset"}


def _is_set_elsewhere(total: RightAnswers, start: ast.Assign | None) -> bool:
    """Return whether the variable has no start value, or another function sets the attribute."""
    if start is None:
        return True
    source, attribute = total.source, total.name.removeprefix("self")
    if attribute == total.name:
        return False
    functions = {
        source.function_of(node)
        for node in source.statements
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if source.text_of(target).endswith(attribute)
    }
    others = functions - {total.scope}
    return any(one is None or one.name != "__init__" for one in others)


def _reset(total: RightAnswers) -> tuple[Candidate, ...]:
    """Return the change that sets the sum to 0 before the loop over batches."""
    if total.loop is None:
        return ()
    text = f"{total.name} = 0.0"
    return candidates((0, partial(edits.insert_before, total.source, total.loop, text)))
