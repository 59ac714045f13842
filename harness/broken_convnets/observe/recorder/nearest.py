"""Record the least distances of samples to one another, and whether those are to themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.recorded_events import Operator

MINIMA = frozenset({"min", "amin"})
SAMPLES = 3  # at least, to tell distances from any other square
NEAR = 0.01  # of the mean distance: what rounding leaves of the distance to itself


@dataclass(frozen=True, slots=True)
class Nearest:
    """The least distance of each of several samples: whether all are those to themselves."""

    operator: Operator
    itself: bool
    mean: float  # distance of two samples


def nearest_of(operator: Operator, args: Any) -> Nearest | None:
    """Read the distances that a minimum along a dimension is about to receive.

    Returns None if the argument is not a square of differentiable numbers, 0 or more, whose
    diagonal is 0 and whose other numbers are not.
    """
    distances = args[0] if args else None
    along = operator.literals.get("dim", operator.literals.get(1))
    if not isinstance(distances, torch.Tensor) or not distances.requires_grad or along is None:
        return None
    square = distances.ndim == 2 and distances.shape[0] == distances.shape[1] >= SAMPLES  # noqa: PLR2004  (rows, columns)
    if not square or not distances.is_floating_point():
        return None
    numbers = distances.detach()
    own, count = numbers.diagonal(), len(numbers)
    mean = float((numbers.sum() - own.sum()) / (count * (count - 1)))
    if not mean > 0 or bool((numbers < 0).any()) or bool((own > NEAR * mean).any()):
        return None
    return Nearest(operator, bool((numbers.amin(along) <= NEAR * mean).all()), mean)
