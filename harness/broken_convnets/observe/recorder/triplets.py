"""Record how far the samples of a triplet loss are from the anchor at its first call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.describe import all_finite

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.recorded_events import Operator

TRIPLETS = frozenset({"triplet_margin_loss", "triplet_margin_with_distance_loss"})
NAMES = ("anchor", "positive", "negative")


@dataclass(frozen=True, slots=True)
class Triplet:
    """A call, and the mean distances of its second and its third argument from the first."""

    operator: Operator
    second: float
    third: float


def triplet_of(operator: Operator, args: Any, kwargs: Any) -> Triplet | None:
    """Read the tensors that a triplet loss is about to receive; None if they are not vectors."""
    given = {**kwargs, **dict(zip(NAMES, args, strict=False))}
    tensors = [given.get(name) for name in NAMES]
    if not all(isinstance(one, torch.Tensor) and all_finite(one) for one in tensors):
        return None
    anchor, *others = (one.detach() for one in tensors if one is not None)
    if any(one.shape != anchor.shape for one in others) or anchor.dim() < 1:
        return None
    second, third = (float((anchor - one).float().norm(dim=-1).mean()) for one in others)
    return Triplet(operator, second, third)
