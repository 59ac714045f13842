"""What `ctc_loss` receives beside its scores: lengths, and how many targets are the blank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

NAMES = ("log_probs", "targets", "input_lengths", "target_lengths", "blank")
LENGTHS = 256  # that are kept of one call


@dataclass(frozen=True, slots=True)
class CtcArguments:
    """The lengths of the first inputs and targets, the blank, and how often the targets have it.

    `labels` is the number of all targets, without padding.
    """

    input_lengths: tuple[int, ...]
    target_lengths: tuple[int, ...]
    blank: int
    blanks: int
    labels: int


def ctc_arguments(args: Any, kwargs: Any) -> CtcArguments:
    """Return what a call of `torch.nn.functional.ctc_loss` received."""
    found = {"blank": 0, **kwargs, **dict(zip(NAMES, args, strict=False))}
    lengths = _numbers(found["target_lengths"])
    used = _used(found["targets"], lengths)
    return CtcArguments(
        _numbers(found["input_lengths"])[:LENGTHS],
        lengths[:LENGTHS],
        int(found["blank"]),
        sum(int((row == found["blank"]).sum()) for row in used),
        sum(lengths),
    )


def _used(targets: torch.Tensor, lengths: tuple[int, ...]) -> list[torch.Tensor]:
    """Return the targets without padding: of shape (S) for (N, S), concatenated or one sample."""
    if targets.ndim < 2:  # noqa: PLR2004  (samples, labels)
        return [targets[: sum(lengths)]]
    return [row[:length] for row, length in zip(targets, lengths, strict=False)]


def _numbers(value: Any) -> tuple[int, ...]:
    items = value.flatten().tolist() if isinstance(value, torch.Tensor) else list(value or ())
    return tuple(int(item) for item in items)
