"""Record the weights of classes in losses, and how often each class is among the targets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Operator

CLASSES = 2_000  # of more, nothing is counted
ELEMENTS = 20_000_000  # targets of one place that are counted
# Losses with weights, by which argument these are, and at which position.
WEIGHTED = {
    "cross_entropy": ("weight", 2),
    "nll_loss": ("weight", 2),
    "binary_cross_entropy_with_logits": ("pos_weight", 6),
}
BINARY = frozenset({"binary_cross_entropy_with_logits"})
TARGET = 1  # position


@dataclass(slots=True, eq=False)
class ClassBalance:
    """The weights at one place of a loss that trains, and what its targets are.

    `counts` are how many targets each class has, or the sum of the targets of each label of
    `pos_weight`, of `read` targets in all. `constant` is whether all calls have the same weights.
    """

    operator: Operator  # the first call
    weights: tuple[float, ...]
    counts: list[float] = field(default_factory=list)
    read: int = 0
    constant: bool = True


class ClassBalances:
    """Counts the targets of losses that have weights."""

    def __init__(self, record: Record) -> None:
        """Start with no loss known."""
        self._record = record
        self._known: dict[Place, ClassBalance] = {}

    def look(self, operator: Operator, args: Any, kwargs: Any) -> None:
        """Count the targets of a call that trains, if it has weights."""
        name, position = WEIGHTED.get(operator.name, ("", 0))
        if not name or operator.place is None or not operator.inputs[0].requires_grad:
            return
        weight = kwargs.get(name, args[position] if len(args) > position else None)
        target = kwargs.get("target", args[TARGET] if len(args) > TARGET else None)
        if not isinstance(weight, torch.Tensor) or not isinstance(target, torch.Tensor):
            return
        if weight.ndim > 1 or weight.numel() > CLASSES or weight.device.type == "meta":
            return
        self._add(operator, tuple(weight.detach().double().reshape(-1).tolist()), target.detach())

    def _add(self, operator: Operator, weights: tuple[float, ...], target: torch.Tensor) -> None:
        assert operator.place is not None  # noqa: S101  (for the type checker)
        found = self._known.get(operator.place)
        if found is None:
            found = self._known[operator.place] = ClassBalance(operator, weights)
            self._record.content_facts.class_balances.append(found)
        found.constant &= found.weights == weights
        classes = len(found.weights)
        if found.read < ELEMENTS and found.constant:
            count = _labels if operator.name in BINARY else _indices
            former = found.counts or [0.0] * classes
            pairs = zip(former, count(target, classes), strict=True)
            found.counts = [one + more for one, more in pairs]
            found.read += target.numel()


def _indices(target: torch.Tensor, classes: int) -> list[float]:
    """Return how often each class is among class indices, those of no class left out."""
    if target.is_floating_point():
        return [0.0] * classes
    flat = target.reshape(-1)
    known = flat[(flat >= 0) & (flat < classes)]
    return list(map(float, torch.bincount(known, minlength=classes).tolist()))


def _labels(target: torch.Tensor, labels: int) -> list[float]:
    """Return the sum of the targets of each label, or of all for one weight."""
    values = target.double()
    if labels == 1:
        return [float(values.sum())]
    sums: list[float] = values.reshape(-1, labels).sum(0).tolist()
    return sums
