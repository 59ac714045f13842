"""The learning rate and the weight decay of an optimizer let its parameters learn."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    require_success,
    site_of,
)
from broken_convnets.commands.diagnose.source import argument
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.optimization import BuiltOptimizer
    from broken_convnets.observe.recorder.recorded_events import OptimizerStep

ADAPTIVE = frozenset({"Adam", "NAdam", "RAdam", "Adamax"})  # with weight decay in the gradient
TINY = 1e-8  # a step of Adam is about as large as its learning rate
SHRINKS = 0.05  # of the weights, at each step
DOMINATES = 1.0  # weight decay in the gradient, as a multiple of the weights
STEPS = 2


@rule(
    "an optimizer steps with a learning rate that changes its parameters",
    stays_quiet="if the rate is not 0 at any step or for any group, and about optimizers whose "
    "scheduler never steps",
)
def learning_rate_is_zero(evidence: Evidence) -> Iterator[Finding]:
    """Find training whose learning rate is 0, or far too small, at all steps."""
    require_success(evidence)
    record = evidence.record
    waits = bool(record.built_schedulers) and not record.scheduler_steps
    for built in record.built_optimizers:
        steps = _steps_of(evidence, built)
        if len(steps) < STEPS or waits or not all(map(_is_nothing, steps)):
            continue
        scheduled = any(built.learning_rates) and record.built_schedulers
        places = next(iter(scheduled)).places if scheduled else built.places
        yield Finding(
            kind="training/not_learning",
            message="the learning rate is so small that no parameter changes",
            evidence=f"{built.type} steps {len(steps)} times with a learning rate of "
            f"{max(max(step.learning_rates) for step in steps):g}",
            violates=(Law.EVERY_PARAMETER_MOVES,),
            cause=location(places),
            symptom=location(steps[0].places),
            subject=built.type,
            candidates=() if scheduled else _set(evidence, built, "lr", 1, "0.001"),
            confidence=8,
        )
        return


def _steps_of(evidence: Evidence, built: BuiltOptimizer) -> list[OptimizerStep]:
    own = set(built.parameters)
    steps = evidence.record.optimizer_steps
    return [s for s in steps if own & set(s.parameters) and s.type == built.type]


def _is_nothing(step: OptimizerStep) -> bool:
    limit = TINY if step.type in ADAPTIVE | {"AdamW"} else 0.0
    return bool(step.learning_rates) and all(0 <= rate <= limit for rate in step.learning_rates)


@rule(
    "weight decay does not outweigh the gradients",
    stays_quiet="if it shrinks the weights by less than 5 % at each step (SGD, AdamW) or is less "
    "than 1 (Adam)",
)
def weight_decay_too_large(evidence: Evidence) -> Iterator[Finding]:
    """Find weight decay that removes the weights faster than gradients can restore them."""
    for built in evidence.record.built_optimizers:
        decay, steps = built.settings.get("weight_decay", 0.0), _steps_of(evidence, built)
        if not decay or len(steps) < STEPS:
            continue
        share = decay * max(steps[0].learning_rates, default=0.0)
        adaptive = built.type in ADAPTIVE and not built.settings.get("decoupled_weight_decay")
        if decay < DOMINATES if adaptive else share < SHRINKS:
            continue
        effect = (
            "it is added to the gradient as a multiple of the weights, and outweighs it"
            if adaptive
            else f"each step shrinks the weights by {share:.0%}"
        )
        yield Finding(
            kind="training/not_learning",
            message=f"weight_decay={decay:g} is so large that the weights collapse",
            evidence=f"{effect} ({built.type}, learning rate {max(steps[0].learning_rates):g})",
            cause=location(built.places),
            subject=built.type,
            candidates=_set(evidence, built, "weight_decay", None, "0.0001"),
            confidence=7,
        )
        return


def _set(
    evidence: Evidence, built: BuiltOptimizer, name: str, position: int | None, value: str
) -> tuple[Candidate, ...]:
    site = site_of(evidence, built.places)
    if site is None or argument(site.call, name, position) is None:
        return ()
    change = partial(edits.set_argument, site.source, site.call, name, position, value)
    return candidates((0, change))
