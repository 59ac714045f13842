"""The law of the loss scale: a GradScaler changes the gradients only in between."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.laws.registry import LawBrokenError, law
from broken_convnets.observe.laws.training import recorded
from broken_convnets.observe.subject import NotApplicableError
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.observe.subject import Subject

FACTOR = 0.25  # a power of 2 changes no digit; less than 1 adds no overflow
SHARE = 0.1  # of the update: half precision rounds, but a wrong scale changes almost all of it


@law(Law.LOSS_SCALE_CANCELS)
def _loss_scale_cancels(subject: Subject) -> None:
    """Compare the updates of two runs whose GradScalers begin with different scales."""
    if not recorded(subject).steps:
        message = "the run steps no optimizer"
        raise NotApplicableError(message)
    with _scalers_times(1.0) as enabled:
        update = _update(subject)
    if not any(enabled):
        message = "the run has no enabled GradScaler"
        raise NotApplicableError(message)
    with _scalers_times(FACTOR):
        other = _update(subject)
    if (update - other).norm() > SHARE * max(update.norm(), other.norm()):
        message = f"with {FACTOR:g} times the loss scale, the run changes the weights otherwise"
        raise LawBrokenError(message)


def _update(subject: Subject) -> torch.Tensor:
    """Return by how much a run changes the parameters of a new network, in one vector.

    Parameters of layers that the run itself replaces are left out.
    """
    net = subject.build()
    before = {name: (value, value.detach().clone()) for name, value in net.parameters().items()}
    net.run(subject.inputs(), subject.targets())
    changes = [
        (after.detach() - before[name][1]).double().flatten()
        for name, after in net.parameters().items()
        if name in before and before[name][0] is after
    ]
    return torch.cat(changes) if changes else torch.zeros(0)


@contextlib.contextmanager
def _scalers_times(factor: float) -> Iterator[list[bool]]:
    """Multiply the initial scale of each GradScaler; yield whether each one is enabled."""
    enabled: list[bool] = []
    scaler = getattr(torch.amp, "GradScaler", torch.cuda.amp.GradScaler)
    construct = scaler.__init__

    def scaled(self: Any, *arguments: Any, **options: Any) -> None:
        construct(self, *arguments, **options)
        enabled.append(self.is_enabled())
        if self.is_enabled():
            self._init_scale *= factor

    scaler.__init__ = scaled
    try:
        yield enabled
    finally:
        scaler.__init__ = construct
