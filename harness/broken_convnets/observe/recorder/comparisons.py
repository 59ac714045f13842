"""Copies of the integers that a program compares, one for each sample of a shuffled dataset."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction

if TYPE_CHECKING:
    import torch

    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Operator

EQUALITIES = frozenset({"eq", "__eq__", "ne", "__ne__"})
SHUFFLING = "RandomSampler"
LARGE = 100_000  # integers that are not copied
LOOKS = 4  # comparisons at one place that are copied
IN_ALL = 32


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two rows of integers as long as a dataset whose loader shuffles."""

    operator: Operator
    contents: tuple[list[int], list[int]]


class Comparisons:
    """Looks at what comparisons receive."""

    def __init__(self, record: Record) -> None:
        """Start with nothing compared."""
        self._record = record
        self._read: Counter[Place | None] = Counter()

    def look(self, operator: Operator, taken: list[torch.Tensor]) -> None:
        """Copy what a comparison is about to receive."""
        if operator.name not in EQUALITIES or len(taken) != 2 or not self._is_whole(taken):  # noqa: PLR2004  (two sides)
            return
        self._read[operator.place] += 1
        if self._read[operator.place] > LOOKS or self._read.total() > IN_ALL:
            return
        with NoDispatch(), NoFunction():
            one, other = (tensor.flatten().tolist() for tensor in taken)
        self._record.content_facts.comparisons.append(Comparison(operator, (one, other)))

    def _is_whole(self, taken: list[torch.Tensor]) -> bool:
        """Return whether both sides have an integer for each sample of a shuffled dataset."""
        sizes = {tensor.numel() for tensor in taken}
        integers = not any(t.is_floating_point() or t.is_complex() or t.is_meta for t in taken)
        if len(sizes) != 1 or not integers or max(sizes) > LARGE:
            return False
        lengths = (one.dataset.length for one in self._record.loaders if one.sampler == SHUFFLING)
        return any(length in sizes for length in lengths)
