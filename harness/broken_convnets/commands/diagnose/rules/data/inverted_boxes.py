"""Tensors as boxes of two corners, and whether one is another one turned inside out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

NUMBERS = 4  # of a box
CLASSES = 1  # further columns, at most
SIDE = 8  # pixels of an image, at least
COLORS = 4  # channels of an image, at most
EQUAL = 0.02  # relative difference of two ratios of sides


@dataclass(frozen=True)
class Boxes:
    """Four columns of a tensor, from `offset` on. Rows without any size, such as padding, are out.

    `rows` have the shape (boxes, 4).
    """

    rows: torch.Tensor
    offset: int

    @cached_property
    def sides(self) -> torch.Tensor:
        """The differences of both corners, of shape (boxes, x and y)."""
        return self.rows[:, 2:] - self.rows[:, :2]

    @cached_property
    def inverted(self) -> tuple[bool, bool]:
        """Whether x1 > x2, and y1 > y2, in all rows."""
        x, y = (self.sides < 0).all(0).tolist()
        return x, y

    @property
    def is_mixed(self) -> bool:
        """Whether some rows have another order of the corners than others."""
        orders = self.sides.sign()
        return not bool((orders == orders[0]).all()) or not bool(orders.all())

    @property
    def shown(self) -> str:
        """The first box."""
        return "[" + ", ".join(f"{number:.4g}" for number in self.rows[0].tolist()) + "]"


def windows(tensor: torch.Tensor) -> list[Boxes]:
    """Return what may be boxes in a tensor: 4 columns, or 4 of 5 with a class beside them."""
    if tensor.ndim not in {1, 2} or not tensor.numel() or tensor.dtype is torch.bool:
        return []
    extra = tensor.shape[-1] - NUMBERS
    if not 0 <= extra <= CLASSES:
        return []
    found = []
    for offset in range(extra + 1):
        rows = tensor.double().reshape(-1, tensor.shape[-1])[:, offset : offset + NUMBERS]
        rows = rows[(rows[:, :2] != rows[:, 2:]).any(1)]
        found += [Boxes(rows, offset)] if len(rows) else []
    return found


def is_mirrored(before: Boxes, after: Boxes) -> int | None:
    """Return the axis along which boxes in order are inverted; None if they are not.

    A box keeps the ratio of its sides, and both of its corners move: a center and a size that
    happen to be in order do not. The distances to the left and the right side are exchanged.
    """
    if any(before.inverted) or len(before.rows) != len(after.rows):
        return None
    axes = [axis for axis, inverted in enumerate(after.inverted) if inverted]
    ratios = [(one.sides[:, 0] / one.sides[:, 1]).abs() for one in (before, after)]
    if not axes or not bool(torch.isclose(*ratios, rtol=EQUAL).all()):
        return None
    axis, (low, high) = axes[0], (axes[0], axes[0] + 2)
    moved = before.rows != after.rows
    both = bool(moved[:, low].any()) and bool(moved[:, high].any())
    exchanged = torch.isclose(before.rows[:, [low, high]], after.rows[:, [high, low]]).all()
    return axis if both and not bool(exchanged) else None


def has_image(tensors: Iterable[torch.Tensor]) -> bool:
    """Return whether a tensor has the shape of an image."""
    shapes = [tuple(tensor.shape) for tensor in tensors if tensor.ndim == NUMBERS - 1]
    return any(
        (channels <= COLORS and min(sides) >= SIDE)
        for shape in shapes
        for channels, sides in ((shape[0], shape[1:]), (shape[-1], shape[:2]))
    )
