"""A schedule that is computed from a number of steps receives the number of all steps."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.training.schedule_pace import steps_by_scheduler
from broken_convnets.commands.diagnose.sites import location_in, require_success, site_of
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.schedulers import BuiltScheduler, SchedulerStep

NOTHING = 0.02  # of the largest learning rate
HIGH = 0.7  # of it
RANGES = frozenset({"range", "trange"})
SWINGS = 2  # times that the rate rises again, at least


@rule(
    "a schedule that advances at every step ends after all steps",
    stays_quiet="unless a LambdaLR falls to nothing and rises again two times or more, and is "
    "given the same number as the range of the loop over the epochs; about several optimizers",
)
def horizon_in_epochs(evidence: Evidence) -> Iterator[Finding]:
    """Find a cosine over the number of epochs that advances at every batch."""
    require_success(evidence)
    for built, steps in steps_by_scheduler(evidence):
        rises = _rises(steps)
        if built.type != "LambdaLR" or rises < SWINGS:
            continue
        found = _given(evidence, built, _epochs(evidence, steps[0]))
        if found is None:
            continue
        site, text = found
        yield Finding(
            kind="training/scheduler_per_batch",
            message=f"the schedule is computed for {text} steps, the number of epochs, but "
            "advances at every batch",
            evidence=f"it advances {len(steps)} times; the learning rate falls to nothing and "
            f"rises again {rises} times, and is {max(steps[-1].learning_rates):.3g} at the end",
            cause=location_in(site.source, site.call),
            subject=text,
            confidence=7,
        )


def _rises(steps: Sequence[SchedulerStep]) -> int:
    """Return how often the rate rises from nothing to a high one, over at least one between."""
    rates = [max(step.learning_rates) for step in steps]
    top, count, low = max(rates), 0, None
    for number, rate in enumerate(rates):
        if rate <= NOTHING * top:
            low = number
        elif low is not None and rate >= HIGH * top:
            count += number > low + 1
            low = None
    return count


def _epochs(evidence: Evidence, step: SchedulerStep) -> set[str]:
    """Return the names of the ranges of the loops that are around another one around a step."""
    ranges: list[ast.expr | None] = []
    for place in step.places:
        site = site_of(evidence, (place,))
        if site is None:
            continue
        if _in_comprehension(site):
            ranges.append(None)
        loops = site.source.loops_around(site.call)
        ranges += [loop.iter if isinstance(loop, ast.For) else None for loop in loops]
    outer = [one for one in ranges[1:] if isinstance(one, ast.Call) and one.args]
    return {_last_name(one.args[-1]) for one in outer if called_name(one) in RANGES} - {""}


def _in_comprehension(site: Site) -> bool:
    parts = (ast.ListComp, ast.GeneratorExp)
    every = (n for n in ast.walk(site.statement) if isinstance(n, parts))
    return any(site.call is part for one in every for part in ast.walk(one))


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _given(evidence: Evidence, built: BuiltScheduler, names: set[str]) -> tuple[Site, str] | None:
    """Return the outermost call on the way to a scheduler that passes one of the names on."""
    found = None
    for place in built.places:
        site = site_of(evidence, (place,))
        given = _numbers(site.call) if site else []
        passed = [one for one in given if _last_name(one) in names]
        if site and passed:
            found = site, site.source.text_of(passed[0])
    return found


def _numbers(call: ast.Call) -> list[ast.expr]:
    """Return the arguments of a call, and what functions among them divide by."""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    lambdas = [part for one in given if isinstance(one, ast.Lambda) for part in ast.walk(one)]
    return given + [
        part.right
        for part in lambdas
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Div)
    ]
