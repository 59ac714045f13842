"""The law of the loss scale: a GradScaler changes the gradients only in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.observe.laws.registry import LawBrokenError, law
from broken_convnets.observe.laws.training import recorded
from broken_convnets.observe.subject import NotApplicableError
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.observe.subject import Subject

FACTOR = 0.25  # a power of 2 changes no digit; less than 1 adds no overflow
SHARE = 0.1  # of the update: half precision rounds, but a wrong scale changes almost all of it


@law(Law.LOSS_SCALE_CANCELS)
def _loss_scale_cancels(subject: Subject) -> None:
    """Compare the updates of two runs whose GradScalers begin with different scales."""
    if not recorded(subject).steps:
        message = "the run steps no optimizer"
        raise NotApplicableError(message)
    enabled, update = subject.read("scaled_update", 1.0)
    if not enabled:
        message = "the run has no enabled GradScaler"
        raise NotApplicableError(message)
    _, other = subject.read("scaled_update", FACTOR)
    if (update - other).norm() > SHARE * max(update.norm(), other.norm()):
        message = f"with {FACTOR:g} times the loss scale, the run changes the weights otherwise"
        raise LawBrokenError(message)
