"""Find targets of losses that are the input of the network, one step later."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.describe import all_finite
from broken_convnets.observe.trees import tensors

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Operator

LOOKS = 3  # losses at one place
PASSES = 6  # before a loss, among which the network is
STEPS = 4  # of a sequence, at least
LARGE = 2_000_000  # numbers of a target that is not compared
RANKS = (2, 3)


@dataclass(frozen=True, slots=True)
class ShiftedTarget:
    """A loss whose target is the first input of a pass, one step later along a dimension."""

    operator: Operator
    forward: ForwardPass
    dim: int


class ShiftedTargets:
    """Compares the first targets of each loss with the inputs that are kept."""

    def __init__(self, record: Record) -> None:
        """Start with no loss known."""
        self._record = record
        self._looked: Counter[object] = Counter()

    def look(self, operator: Operator, args: Any, kwargs: Any) -> None:
        """Compare the target of a loss with the inputs of the passes before it."""
        self._looked[operator.place] += 1
        target = kwargs.get("target", args[1] if len(args) > 1 else None)
        if self._looked[operator.place] > LOOKS or not isinstance(target, torch.Tensor):
            return
        if not 0 < target.numel() <= LARGE or target.is_complex():
            return
        if all_finite(target if target.is_floating_point() else target.float()) is None:
            return  # its numbers cannot be read
        for forward in islice(reversed(list(self._record.passes)), PASSES):
            given = tensors(forward.captured or ())[:1]
            dim = _shifted(given[0], target) if given and forward.parameters else None
            if dim is not None:
                found = ShiftedTarget(operator, forward, dim)
                self._record.content_facts.shifted_targets.append(found)
                return


def _shifted(given: torch.Tensor, target: torch.Tensor) -> int | None:
    """Return the dimension along which a target is one step ahead; None if there is none."""
    if given.dim() not in RANKS or given.device != target.device:
        return None
    for column in range(given.shape[2] if given.dim() == max(RANKS) else 1):
        steps = given[..., column] if given.dim() == max(RANKS) else given
        whole = target.numel() == given.numel()
        if not whole and target.numel() != steps.numel():
            return None
        one, two = (
            (given, target.reshape(given.shape))
            if whole
            else (
                steps,
                target.reshape(steps.shape),
            )
        )
        for dim in (1, 0):
            length = one.shape[dim]
            if length >= STEPS and not torch.equal(one, two.to(one.dtype)):
                ahead = one.narrow(dim, 1, length - 1)
                if torch.equal(ahead, two.narrow(dim, 0, length - 1).to(one.dtype)):
                    return dim
        if whole:
            return None
    return None
