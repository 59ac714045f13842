"""Find losses of next-token predictions whose targets have the padding of the token ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.embedded_ids import EmbeddedIds
    from broken_convnets.observe.recorder.recorded_events import Operator

CLASS_LOSSES = frozenset({"cross_entropy", "nll_loss"})
LOSS = ("input", "target", "weight", "size_average", "ignore_index", "reduce", "reduction")


@dataclass(frozen=True, slots=True)
class PaddedTargets:
    """A loss whose targets are the next ids of rows that end with `padding`.

    `count` of the `total` targets are padding, and for `both` of them the id before is as well.
    """

    operator: Operator
    padding: int
    count: int
    both: int
    total: int


class PaddedLosses:
    """Compares what losses receive with what the last embeddings received."""

    def __init__(self, ids: EmbeddedIds) -> None:
        """Start with what embeddings receive."""
        self._ids = ids

    def judge(self, operator: Operator, args: Any, kwargs: Any) -> PaddedTargets | None:
        """Return how much padding is among the targets of a loss; None if it ignores it."""
        if operator.name not in CLASS_LOSSES:
            return None
        found = {**kwargs, **dict(zip(LOSS, args, strict=False))}
        scores, target = found.get("input"), found.get("target")
        if not isinstance(scores, torch.Tensor) or not isinstance(target, torch.Tensor):
            return None  # the loss is about to raise an exception
        whole = found.get("weight") is None and found.get("reduction", "mean") != "none"
        if not whole or target.is_floating_point() or scores.ndim < 2:  # noqa: PLR2004  (samples, classes)
            return None
        for seen in self._ids:
            fits = scores.shape[1] == seen.vocabulary and target.device == seen.ids.device
            if (
                fits
                and seen.padding is not None
                and found.get("ignore_index", -100) != seen.padding
            ):
                pair = _shifted(seen.ids, target)
                if pair is not None and _ends_with(seen.padding, *pair):
                    padded = pair[1] == seen.padding
                    both = int((padded & (pair[0] == seen.padding)).sum())
                    return PaddedTargets(
                        operator, seen.padding, int(padded.sum()), both, target.numel()
                    )
        return None


def _shifted(ids: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return ids and targets as rows if each target is the id after; None if it is not."""
    rows, time = ids.shape
    if target.numel() == rows * (time - 1):
        now, after = ids[:, :-1], target.reshape(rows, time - 1)
        return (now, after) if time > 1 and torch.equal(after, ids[:, 1:]) else None
    if target.numel() != ids.numel() or min(ids.shape) < 2:  # noqa: PLR2004  (several of each)
        return None
    after = target.reshape(ids.shape)
    if torch.equal(after[:, :-1], ids[:, 1:]):
        return ids, after
    return (ids.t(), after.t()) if torch.equal(after[:-1], ids[1:]) else None  # time first


def _ends_with(padding: int, ids: torch.Tensor, target: torch.Tensor) -> bool:
    """Return whether rows of different lengths end with padding, which is nowhere else."""
    padded = target == padding
    is_suffix = bool((padded[:, 1:] >= padded[:, :-1]).all())
    lengths = padded.sum(1)
    varied = int((target[~padded]).unique().numel()) > 1
    both = bool((padded & (ids == padding)).any())
    return is_suffix and both and varied and int(lengths.unique().numel()) > 1
