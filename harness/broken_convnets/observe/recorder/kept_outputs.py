"""Count the outputs of earlier training steps that are still alive with their graphs."""

from __future__ import annotations

import weakref
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.record import Record

OUTPUTS = 64  # of the latest passes, that are followed


@dataclass(frozen=True, slots=True)
class KeptOutputs:
    """How many outputs of passes before the last optimizer step are alive, of how many."""

    alive: int
    of: int


class OutputsAlive:
    """Follows the first output of each forward pass that builds a graph, keeping none alive."""

    def __init__(self, record: Record) -> None:
        """Start with no output known."""
        self._record = record
        self._followed: deque[tuple[weakref.ref[torch.Tensor], int]] = deque(maxlen=OUTPUTS)

    def begin(self) -> None:
        """Count the outputs of earlier steps that are alive, as another pass begins."""
        steps = self._record.optimizer_steps.count
        earlier = [found() for found, at in self._followed if at < steps]
        alive = sum(1 for one in earlier if one is not None and one.grad_fn is not None)
        if alive:
            self._record.kept_outputs.append(KeptOutputs(alive, len(earlier)))

    def end(self, ended: ForwardPass, outputs: list[torch.Tensor]) -> None:
        """Follow an output of a pass that has ended."""
        if ended.whole and outputs and outputs[0].grad_fn is not None:
            self._followed.append((weakref.ref(outputs[0]), self._record.optimizer_steps.count))
