"""A schedule advances once per epoch or once per step, as its length was meant."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.sizes.arithmetic import evaluate
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.order import trains
from broken_convnets.commands.diagnose.sites import candidates, location, require_success, site_of
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.schedulers import BuiltScheduler, SchedulerStep

LENGTHS = {"CosineAnnealingLR": "T_max", "LinearLR": "total_iters", "PolynomialLR": "total_iters"}
DECAYS = frozenset({"StepLR", "ExponentialLR", "MultiStepLR"})
DROPS = {"StepLR": "step_size", "MultiStepLR": "last_milestone"}
NOTHING = 1e-3  # of the first learning rate
PART = 0.25  # of it
NEARLY = 0.9  # of the optimizer steps


def steps_by_scheduler(evidence: Evidence) -> Iterator[tuple[BuiltScheduler, list[SchedulerStep]]]:
    """Yield each scheduler with its steps, if the program has one optimizer."""
    record = evidence.record
    if len(record.built_optimizers) != 1:
        return
    for number, built in enumerate(record.built_schedulers):
        steps = [step for step in record.scheduler_steps if step.scheduler == number]
        if steps:
            yield built, steps


@rule(
    "a schedule that counts epochs advances once per epoch",
    stays_quiet="unless its length is the number of epochs, or the learning rate is 1000 times "
    "smaller halfway, or with drops after fewer steps than there are epochs, 1000 times at the end "
    "or 4 times after one epoch; about programs with several optimizers",
)
def scheduler_steps_per_batch(evidence: Evidence) -> Iterator[Finding]:
    """Find scheduler.step() in the loop over batches that belongs in the loop over epochs."""
    require_success(evidence)
    total = evidence.record.optimizer_steps.count
    for built, steps in steps_by_scheduler(evidence):
        site = site_of(evidence, steps[0].places)
        if site is None or len(steps) < NEARLY * total or not is_nested(evidence, steps[0]):
            continue
        length = built.settings.get(LENGTHS.get(built.type, ""), 0)
        too_early = _decays_to_nothing(evidence, built, site, steps)
        if not too_early and not (length and _counts_epochs(evidence, built, site, length, total)):
            continue
        moments = (steps[len(steps) // 2], steps[-1])
        rate, (halfway, end) = first_rate(evidence), (max(m.learning_rates) for m in moments)
        what = f"its length is {length:g} epochs, and it" if length else "it"
        yield Finding(
            kind="training/scheduler_per_batch",
            message=f"{built.type} advances at every batch, although it counts epochs",
            evidence=f"{what} advances {len(steps)} times in {total} optimizer steps; the learning "
            f"rate is {rate:g} at first, {halfway:.3g} halfway, and {end:.3g} at the end",
            cause=location(steps[0].places),
            symptom=location(built.places),
            subject=site.called,
            candidates=_out_of_loop(site),
            confidence=7,
        )


def is_nested(evidence: Evidence, step: SchedulerStep) -> bool:
    """Return whether the call is inside two loops, of its own function or of its callers."""
    loops = 0
    for place in step.places:
        site = site_of(evidence, (place,))
        loops += len(site.source.loops_around(site.call)) if site else 0
    return loops > 1


def first_rate(evidence: Evidence) -> float:
    """Return the learning rate of the first step of an optimizer; 0 if there is none."""
    first = evidence.record.optimizer_steps.find(0)
    return max(first.learning_rates) if first else 0.0


def _decays_to_nothing(
    evidence: Evidence, built: BuiltScheduler, site: Site, steps: list[SchedulerStep]
) -> bool:
    """Return whether the learning rate vanishes halfway, or by drops that are meant for epochs."""
    rate = NOTHING * first_rate(evidence)
    if built.type not in DECAYS or not rate:
        return False
    if max(steps[len(steps) // 2].learning_rates) < rate:
        return True
    drop = built.settings.get(DROPS.get(built.type, ""), 0)
    epochs = [number for number in _epochs(evidence, site) if 2 * number <= len(steps)]
    if not 0 < drop <= max(epochs, default=0) or _counts_batches(evidence, built, drop):
        return False
    drops_end_early = built.type == "MultiStepLR" and 2 * drop <= len(steps)
    if built.type == "StepLR" and _falls_in_first_epoch(evidence, steps, max(epochs)):
        return True
    return drops_end_early or max(steps[-1].learning_rates) < rate


def _falls_in_first_epoch(evidence: Evidence, steps: list[SchedulerStep], epochs: int) -> bool:
    """Return whether the learning rate is a small part of the first one after one epoch."""
    batches = len(steps) // epochs
    after = max(steps[batches - 1].learning_rates)
    return batches > 1 and after <= PART * first_rate(evidence)


def _counts_batches(evidence: Evidence, built: BuiltScheduler, drop: float) -> bool:
    """Return whether a number of steps is computed, or that of the batches of a loader."""
    site = site_of(evidence, built.places)
    name = DROPS[built.type].replace("last_milestone", "milestones")
    meant = argument(site.call, name, 1) if site else None
    computed = meant is None or any(
        isinstance(part, ast.Call | ast.BinOp) for part in ast.walk(meant)
    )
    return computed or drop in {e.batches for one in evidence.record.loaders for e in one.epochs}


def _epochs(evidence: Evidence, site: Site) -> list[int]:
    """Return how many epochs there are, by the loaders and by the outer loops with a number."""
    found = [sum(trains(evidence, e) for e in one.epochs) for one in evidence.record.loaders]
    scopes = [scope for built in evidence.record.constructions for scope in built.scopes]
    known = {name: number for scope in reversed(scopes) for name, number in scope.items()}
    for loop in site.source.loops_around(site.call)[1:]:
        ranged = loop.iter if isinstance(loop, ast.For) else None
        if isinstance(ranged, ast.Call) and called_name(ranged) == "range" and ranged.args:
            found.append(evaluate(ranged.args[-1], known) or 0)
    return found


def _counts_epochs(
    evidence: Evidence, built: BuiltScheduler, site: Site, length: float, total: int
) -> bool:
    """Return whether a length is the number of epochs, of loaders or of the loop over them."""
    if total < 2 * length:
        return False
    training = [
        [epoch for epoch in loader.epochs if trains(evidence, epoch)]
        for loader in evidence.record.loaders
    ]
    batches = [epoch.batches for epochs in training for epoch in epochs]
    if length in [len(epochs) for epochs in training] and length not in batches:
        return True
    constructed = site_of(evidence, built.places)
    name = LENGTHS.get(built.type, "")
    meant = argument(constructed.call, name, 1) if constructed else None
    outer = site.source.loops_around(site.call)[1:]
    ranges = [one.iter for one in outer if isinstance(one, ast.For)]
    lengths = [n.args[-1] for n in ranges if isinstance(n, ast.Call) and n.args]
    if constructed is None or meant is None:
        return False
    text = constructed.source.text_of(meant)
    return any(site.source.text_of(found) == text for found in lengths)


def _out_of_loop(site: Site) -> tuple[Candidate, ...]:
    loops = site.source.loops_around(site.call)
    if not loops or not isinstance(site.statement, ast.Expr):
        return ()
    return candidates((0, partial(edits.move, site.source, site.statement, loops[0], after=True)))


@rule(
    "a schedule that counts steps advances at every step",
    stays_quiet="unless its length is the number of optimizer steps; about programs with several "
    "optimizers",
)
def scheduler_steps_per_epoch(evidence: Evidence) -> Iterator[Finding]:
    """Find a schedule over all steps that advances once per epoch, and so barely begins."""
    require_success(evidence)
    total = evidence.record.optimizer_steps.count
    for built, steps in steps_by_scheduler(evidence):
        lengths = [built.settings.get(name, 0) for name in ("total_steps", "T_max")]
        length = max(lengths)
        if len(steps) < 2 or length < 4 * len(steps) or not _is_close(length, total):  # noqa: PLR2004  (a share that is clear)
            continue
        site = site_of(evidence, steps[0].places)
        yield Finding(
            kind="training/scheduler_order",
            message=f"{built.type} counts optimizer steps, but advances once per epoch",
            evidence=f"its length is {length:g} and there are {total} optimizer steps, but it "
            f"advances {len(steps)} times",
            cause=location(steps[0].places),
            symptom=location(built.places),
            subject=site.called if site else "",
            candidates=_into_loop(evidence, site) if site else (),
            confidence=7,
        )


def _is_close(length: float, total: int) -> bool:
    return NEARLY * total <= length <= total / NEARLY


def _into_loop(evidence: Evidence, site: Site) -> tuple[Candidate, ...]:
    first = evidence.record.optimizer_steps.find(0)
    step = site_of(evidence, first.places) if first else None
    if step is None or step.source is not site.source:
        return ()
    move = partial(edits.move, site.source, site.statement, step.statement, after=True)
    return candidates((0, move))
