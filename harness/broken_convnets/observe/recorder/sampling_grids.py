"""Read the grids that grid_sample() receives: coordinates x and y from -1 to 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.recorded_events import Operator

PLANE = 4  # dimensions of a grid for images
SIDE = 4  # rows and columns, at least
LARGE = 1_000_000  # numbers of a grid that is read
GRIDS = 32  # that are read


@dataclass(frozen=True, slots=True)
class SamplingGrid:
    """What one grid has: the range of x and y, and how far they go over its rows and columns.

    `across` and `down` are the least and the greatest difference, over the samples, of x and of y
    from the first to the last column, and from the first to the last row.
    """

    operator: Operator
    size: tuple[int, int]  # height and width of the images
    x: tuple[float, float]
    y: tuple[float, float]
    medians: tuple[float, float]
    x_across: tuple[float, float]
    x_down: tuple[float, float]
    y_across: tuple[float, float]
    y_down: tuple[float, float]


def sampling_grid(operator: Operator, args: Any, kwargs: Any) -> SamplingGrid | None:
    """Return facts of the grid of a call; None for other dimensions, and for small grids."""
    given = {**kwargs, **dict(zip(("input", "grid"), args, strict=False))}
    images, grid = given.get("input"), given.get("grid")
    if not isinstance(grid, torch.Tensor) or not isinstance(images, torch.Tensor):
        return None
    if grid.dim() != PLANE or not grid.numel() or grid.numel() > LARGE or grid.is_meta:
        return None
    if min(grid.shape[1:3]) < SIDE or min(images.shape[2:]) < SIDE:
        return None
    numbers = grid.detach().float()
    x, y = numbers.unbind(-1)
    return SamplingGrid(
        operator,
        (images.shape[2], images.shape[3]),
        _range(x),
        _range(y),
        (float(x.median()), float(y.median())),
        *(_range(change) for one in (x, y) for change in (_across(one), _across(one.mT))),
    )


def _range(numbers: torch.Tensor) -> tuple[float, float]:
    return float(numbers.min()), float(numbers.max())


def _across(numbers: torch.Tensor) -> torch.Tensor:
    """Return the mean difference of the last and the first column, of each sample."""
    return (numbers[..., -1] - numbers[..., 0]).mean(1)
