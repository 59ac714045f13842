"""The token ids that the last embeddings received."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.observe.recorder.recorded_events import Operator

KEPT = 4  # tensors of ids
LARGE = 1_000_000  # ids that are not copied
NAMES = ("input", "weight", "padding_idx")


class Embedded(NamedTuple):
    """A copy of the ids of one call, in two dimensions; `padding` is the padding_idx, or None."""

    ids: torch.Tensor
    padding: int | None
    vocabulary: int


class EmbeddedIds:
    """Keeps copies of ids, as many tensors as KEPT."""

    def __init__(self) -> None:
        """Start with no embedding seen."""
        self._last: deque[Embedded] = deque(maxlen=KEPT)

    def look(self, operator: Operator, args: Any, kwargs: Any) -> None:
        """Keep the ids that an embedding is about to receive."""
        if operator.name != "embedding":
            return
        found = {**kwargs, **dict(zip(NAMES, args, strict=False))}
        ids, padding, weight = (found.get(name) for name in ("input", "padding_idx", "weight"))
        if not isinstance(ids, torch.Tensor) or not isinstance(weight, torch.Tensor):
            return  # it is about to raise an exception
        size = weight.shape[0]
        if ids.ndim == 2 and ids.numel() <= LARGE:  # noqa: PLR2004  (samples and time)
            known = padding % size if type(padding) is int else None
            self._last.append(Embedded(ids.detach().clone(), known, size))

    def __iter__(self) -> Iterator[Embedded]:
        """Yield what was embedded, the last first."""
        yield from reversed(self._last)
