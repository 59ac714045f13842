"""Operators whose two inputs broadcast so that each element meets every other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

    Shape = tuple[int, ...]

LOSSES = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "gaussian_nll_loss"})
DIFFERENCES = frozenset({"sub", "__sub__", "__rsub__", "rsub"})
PRODUCTS = frozenset({"mul", "__mul__", "__rmul__"})
EQUALITIES = frozenset({"eq", "__eq__", "ne", "__ne__"})


def paired(operator: Operator) -> tuple[Value, Value] | None:
    """Return the longer and the shorter input if broadcasting pairs each element with each."""
    if len(operator.inputs) < 2:  # noqa: PLR2004  (a number beside a tensor)
        return None
    one, other = operator.inputs[:2]
    result = broadcast(one.shape, other.shape)
    if result is None or len(one.shape) == len(other.shape):
        return None
    if math.prod(result) <= max(math.prod(one.shape), math.prod(other.shape)):
        return None
    longer, shorter = (one, other) if len(one.shape) > len(other.shape) else (other, one)
    # The same numbers in the same order, apart from a dimension of size 1.
    same = [n for n in longer.shape if n != 1] == [n for n in shorter.shape if n != 1]
    return (longer, shorter) if same else None


def broadcast(one: Shape, other: Shape) -> Shape | None:
    """Return the shape of the result of an operator on both; None if they do not fit."""
    length = max(len(one), len(other))
    pairs = zip((1,) * (length - len(one)) + one, (1,) * (length - len(other)) + other, strict=True)
    found = []
    for a, b in pairs:
        if a != b and 1 not in {a, b}:
            return None
        found.append(max(a, b) if min(a, b) else 0)
    return tuple(found)


def repeats(operator: Operator) -> bool:
    """Return whether an input is repeated along another dimension than that of the samples."""
    if len(operator.inputs) < 2:  # noqa: PLR2004  (a number beside a tensor)
        return False
    one, other = (value.shape for value in operator.inputs[:2])
    if len(one) != len(other) or math.prod(one) < 2 or math.prod(other) < 2:  # noqa: PLR2004  (one number)
        return False
    return any(a != b and 1 in {a, b} for a, b in zip(one[1:], other[1:], strict=True))
