"""Find losses of next-token predictions whose targets have the padding of the token ids."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.recorded_events import Operator

KEPT = 4  # tensors of ids, of the embeddings that ran last
CLASS_LOSSES = frozenset({"cross_entropy", "nll_loss"})
EMBEDDING = ("input", "weight", "padding_idx")
LOSS = ("input", "target", "weight", "size_average", "ignore_index", "reduce", "reduction")
LARGE = 1_000_000  # ids that are not copied


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


class _Ids(NamedTuple):
    """What an embedding with a padding_idx received."""

    ids: torch.Tensor
    padding: int
    vocabulary: int


class PaddedLosses:
    """Compares what losses receive with what the last embeddings received."""

    def __init__(self) -> None:
        """Start with no embedding seen."""
        self._last: deque[_Ids] = deque(maxlen=KEPT)

    def embed(self, args: Any, kwargs: Any) -> None:
        """Keep a copy of the ids that an embedding with a padding_idx is about to receive."""
        found = {**kwargs, **dict(zip(EMBEDDING, args, strict=False))}
        ids, padding = found["input"], found.get("padding_idx")
        if type(padding) is int and ids.ndim == 2 and ids.numel() <= LARGE:  # noqa: PLR2004  (samples and time)
            size = found["weight"].shape[0]
            self._last.append(_Ids(ids.detach().clone(), padding % size, size))

    def judge(self, operator: Operator, args: Any, kwargs: Any) -> PaddedTargets | None:
        """Return how much padding is among the targets of a loss; None if it ignores it."""
        if operator.name not in CLASS_LOSSES:
            return None
        found = {**kwargs, **dict(zip(LOSS, args, strict=False))}
        scores, target = found["input"], found["target"]
        whole = found.get("weight") is None and found.get("reduction", "mean") != "none"
        if not whole or target.is_floating_point() or scores.ndim < 2:  # noqa: PLR2004  (samples, classes)
            return None
        for seen in reversed(self._last):
            fits = scores.shape[1] == seen.vocabulary and target.device == seen.ids.device
            if fits and found.get("ignore_index", -100) != seen.padding:
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
