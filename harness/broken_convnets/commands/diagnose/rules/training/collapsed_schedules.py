"""A schedule counts epochs, and leaves a learning rate with which the rest of them still learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.training.schedule_pace import (
    DECAYS,
    first_rate,
    is_nested,
    steps_by_scheduler,
)
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

NOTHING = 1e-4  # of the first learning rate
EPOCHS = 4  # at least


@rule(
    "the learning rate of a schedule is not lost before half of the training",
    stays_quiet="unless a StepLR, MultiStepLR or ExponentialLR makes it 10,000 times smaller by "
    "then; about programs with several optimizers, and with fewer than 4 epochs",
)
def schedule_collapses(evidence: Evidence) -> Iterator[Finding]:
    """Find a decay per epoch that is so strong that most epochs do not learn."""
    require_success(evidence)
    for built, steps in steps_by_scheduler(evidence):
        rate, half = first_rate(evidence), steps[(len(steps) - 1) // 2]
        if built.type not in DECAYS or len(steps) < EPOCHS or is_nested(evidence, steps[0]):
            continue
        if not rate or max(half.learning_rates) >= NOTHING * rate:
            continue
        yield Finding(
            kind="training/not_learning",
            message=f"{built.type} makes the learning rate too small to learn before half of the "
            "training",
            evidence=f"it is {rate:g} at first, {max(half.learning_rates):.3g} after "
            f"{steps.index(half) + 1} of {len(steps)} epochs, and "
            f"{max(steps[-1].learning_rates):.3g} at the end",
            cause=location(built.places),
            subject=built.type,
            confidence=6,
        )


@rule(
    "the step size of StepLR is a number of epochs or steps",
    stays_quiet="if it is an integer of at least 1",
)
def step_size_is_no_count(evidence: Evidence) -> Iterator[Finding]:
    """Find `StepLR(optimizer, step_size=0.001)`: no epoch is a multiple of it."""
    for built in evidence.record.built_schedulers:
        size = built.settings.get("step_size", 1.0)
        if built.type != "StepLR" or (size >= 1 and size == int(size)):
            continue
        yield Finding(
            kind="training/not_learning",
            message=f"step_size={size:g} of StepLR is not a number of epochs",
            evidence="StepLR multiplies the learning rate by gamma whenever the number of its "
            f"steps is a multiple of step_size, which {size:g} hardly ever divides",
            cause=location(built.places),
            subject=built.places[0].text if built.places else built.type,
            confidence=8,
        )
