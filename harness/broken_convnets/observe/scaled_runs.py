"""Runs of a subject whose GradScalers begin with another loss scale."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.observe.subject import Subject


def scaled_update(subject: Subject, factor: float) -> tuple[bool, torch.Tensor]:
    """Return whether a run has an enabled GradScaler, and how it changes the parameters.

    The initial scale of each GradScaler is multiplied by `factor`.
    """
    with _scalers_times(factor) as enabled:
        update = _update(subject)
    return any(enabled), update


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
