"""The batch that a DataLoader could not collate, read from the frames of PyTorch's own code."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.analysis.returns import Callee, callee

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

COLLATE = "collate.py"
FETCH = "fetch.py"


@dataclass(frozen=True)
class FailedBatch:
    """The samples of a batch, and the dataset that returned them."""

    samples: list[object]
    dataset: object

    def leaves(self) -> Iterator[tuple[int, str, object]]:
        """Yield each value of each sample: the sample's position, the value's place, the value."""
        for number, sample in enumerate(self.samples):
            for place, value in _leaves(sample, ""):
                yield number, place, value

    def columns(self) -> dict[str, list[object]]:
        """Return the values of all samples by their place in a sample."""
        found: dict[str, list[object]] = {}
        for _, place, value in self.leaves():
            found.setdefault(place, []).append(value)
        return found


def failed_batch(evidence: Evidence) -> FailedBatch | None:
    """Return the batch whose collation raised the exception; None if it was something else.

    A batch of a worker process is not here: its exception has passed on without its frames.
    """
    error = evidence.error
    dataset: object = None
    for frame, _ in traceback.walk_tb(error.__traceback__ if error else None):
        file = frame.f_code.co_filename
        if file.endswith(FETCH) and "torch" in file:
            dataset = getattr(frame.f_locals.get("self"), "dataset", None)
        if file.endswith(COLLATE) and "torch" in file:
            samples = frame.f_locals.get("batch")
            if isinstance(samples, list) and samples:
                return FailedBatch(samples, dataset)
    return None


def item_method(evidence: Evidence, batch: FailedBatch) -> Callee | None:
    """Return the dataset's own `__getitem__`."""
    method = getattr(batch.dataset, "__getitem__", None)
    return callee(evidence, method) if method is not None else None


def _leaves(value: object, place: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{place}[{key!r}]")
    elif isinstance(value, tuple | list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{place}[{number}]")
    else:
        yield place, value


def shape_of(value: object) -> tuple[int, ...] | None:
    """Return the shape of a tensor or an array; None for anything else."""
    shape = getattr(value, "shape", None)
    if isinstance(value, torch.Tensor) or type(value).__name__ == "ndarray":
        return tuple(int(size) for size in shape or ())
    return None
