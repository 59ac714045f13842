"""Count the losses of earlier backward passes that are still alive with their graphs."""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch

    from broken_convnets.observe.recorder.record import Record

ROOTS = 64  # of the last backward passes, that are followed


class KeptGraphs:
    """Follows the tensors that backward passes start from, without keeping them alive."""

    def __init__(self, record: Record) -> None:
        """Start with no root known."""
        self._record = record
        self._roots: deque[weakref.ref[torch.Tensor]] = deque(maxlen=ROOTS)

    def begin(self, roots: Iterable[torch.Tensor]) -> None:
        """Count the roots of earlier passes that are alive, as another pass begins."""
        alive = [root() for root in self._roots]
        kept = sum(1 for root in alive if root is not None and root.grad_fn is not None)
        self._record.kept_graphs.append(kept)
        self._roots.extend(weakref.ref(root) for root in roots)
