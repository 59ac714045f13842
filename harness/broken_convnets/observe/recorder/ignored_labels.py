"""Find comparisons of predictions with labels that a loss ignores."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

CLASS_LOSSES = frozenset({"cross_entropy", "nll_loss"})
EQUALITIES = frozenset({"eq", "__eq__"})
IGNORE = 4  # position of `ignore_index` among the arguments of a loss
DEFAULT = -100
LARGE = 1_000_000  # labels that are not read
LOOKS = 4  # comparisons at one place that are read


@dataclass(frozen=True, slots=True)
class IgnoredLabels:
    """A comparison with labels, `count` of which are a number that a loss ignores."""

    operator: Operator
    labels: Value
    number: int
    count: int
    total: int


class IgnoredComparisons:
    """Notes which numbers losses ignore, and counts them among labels that are compared."""

    def __init__(self, numbers: set[int], found: list[IgnoredLabels]) -> None:
        """Add what losses ignore to `numbers`, and comparisons with these to `found`."""
        self.numbers = numbers
        self._found = found
        self._read: Counter[Place | None] = Counter()

    def look(self, operator: Operator, args: Any, kwargs: Any) -> None:
        """Look at the arguments of a loss or of a comparison."""
        if operator.name in CLASS_LOSSES:
            number = kwargs.get("ignore_index", args[IGNORE] if len(args) > IGNORE else DEFAULT)
            self.numbers.add(int(number))
        elif operator.name in EQUALITIES and len(operator.inputs) == 2 and self.numbers:  # noqa: PLR2004  (two tensors)
            self._compare(operator, args)

    def _compare(self, operator: Operator, args: Any) -> None:
        self._read[operator.place] += 1
        pair = [one for one in args[:2] if isinstance(one, torch.Tensor)]
        if self._read[operator.place] > LOOKS or len(pair) != 2:  # noqa: PLR2004  (as above)
            return
        if pair[0].shape != pair[1].shape or not 1 < pair[0].numel() <= LARGE:
            return
        for tensor, value in zip(pair, operator.inputs, strict=True):
            if tensor.is_floating_point() or tensor.dtype is torch.bool or tensor.is_complex():
                continue
            for number in self.numbers:
                count = int((tensor == number).sum())
                if count:
                    self._found.append(
                        IgnoredLabels(operator, value, number, count, tensor.numel())
                    )
