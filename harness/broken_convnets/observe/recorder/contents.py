"""Facts of the numbers in one tensor: range, finiteness, and whether rows are probabilities."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

LARGE = 4_000_000  # elements; of more, only the first samples are read


@dataclass(frozen=True, slots=True)
class Contents:
    """Facts of a tensor of shape `shape`.

    `minimum` and `maximum` are those of the finite elements, NaN if there are none. `row_sums` and
    `row_logs` are the least and the greatest sum, and logsumexp, along dimension 1 (dimension 0 of
    a vector); None for integers and for tensors that are empty or not finite.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    minimum: float
    maximum: float
    finite: bool
    integral: bool  # whether all finite elements have integer values
    zeros: int
    count: int  # of the elements that were read
    row_sums: tuple[float, float] | None = None
    row_logs: tuple[float, float] | None = None

    def within(self, low: float, high: float) -> bool:
        """Return whether all finite elements are from `low` to `high`."""
        return low <= self.minimum and self.maximum <= high

    @property
    def probabilities(self) -> bool:
        """Whether each row is a distribution: two or more numbers from 0 whose sum is 1."""
        sums = self.row_sums
        rows = sums is not None and self.minimum >= 0 and _close(sums, 1.0, 1e-3)
        return rows and self.classes > 1

    @property
    def log_probabilities(self) -> bool:
        """Whether each row holds the logarithms of a distribution."""
        return self.row_logs is not None and _close(self.row_logs, 0.0, 0.05)

    @property
    def classes(self) -> int:
        """The size of the dimension of classes."""
        return self.shape[1] if len(self.shape) > 1 else self.shape[0] if self.shape else 1


def contents_of(tensor: torch.Tensor) -> Contents:
    """Read a dense tensor of real numbers."""
    values = tensor.detach()
    if values.numel() > LARGE and values.dim() > 1:
        values = values[: max(1, LARGE * values.shape[0] // values.numel())]
    values = values.double() if values.dtype is torch.float64 else values.float()
    known = torch.isfinite(values)
    finite = bool(known.all())
    numbers = values if finite else values[known]
    low, high = (float(x) for x in torch.aminmax(numbers)) if numbers.numel() else (math.nan,) * 2
    rows = finite and tensor.is_floating_point() and values.dim() > 0 and values.numel() > 0
    dim = 1 if values.dim() > 1 else 0
    return Contents(
        shape=tuple(tensor.shape),
        dtype=tensor.dtype,
        minimum=low,
        maximum=high,
        finite=finite,
        integral=bool((numbers == numbers.round()).all()),
        zeros=int((numbers == 0).sum()),
        count=values.numel(),
        row_sums=_range(values.sum(dim)) if rows else None,
        row_logs=_range(values.logsumexp(dim)) if rows else None,
    )


def _range(values: torch.Tensor) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _close(pair: tuple[float, float], wanted: float, tolerance: float) -> bool:
    return all(abs(value - wanted) < tolerance for value in pair)
