"""Record which results of state_dict() outlive optimizer steps and still share the weights."""

from __future__ import annotations

import weakref
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch
    from torch import nn

    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Moment

FOLLOWED = 64  # results, the latest


@dataclass(slots=True, eq=False)
class Snapshot:
    """A result of state_dict(), by one of its tensors, and the optimizer steps that it outlived.

    `last_step` is the number of the last step that changed the tensor; None if none did.
    """

    places: tuple[Place, ...]
    moment: Moment
    tensor: weakref.ref[torch.Tensor]
    parameter: weakref.ref[torch.Tensor]
    steps: int = 0
    last_step: int | None = None

    @property
    def shared(self) -> torch.Tensor | None:
        """The parameter, as long as the tensor of the state_dict is alive and shares its memory."""
        tensor, parameter = self.tensor(), self.parameter()
        if tensor is None or parameter is None or tensor.data_ptr() != parameter.data_ptr():
            return None
        return parameter


class Snapshots:
    """Follows the latest results of state_dict() without keeping them alive."""

    def __init__(self, record: Record) -> None:
        """Start with none."""
        self._record = record
        self._followed: deque[Snapshot] = deque(maxlen=FOLLOWED)

    def meet(self, module: nn.Module, state: Any, places: tuple[Place, ...]) -> None:
        """Follow a result of `module.state_dict()` by its first trainable parameter."""
        trainable = ((n, p) for n, p in module.named_parameters() if p.requires_grad)
        name, parameter = next(trainable, ("", None))
        tensor = state.get(name)
        if parameter is None or tensor is None or tensor is parameter:
            return
        found = Snapshot(places, self._record.moment, weakref.ref(tensor), weakref.ref(parameter))
        self._followed.append(found)
        self._record.snapshots.append(found)

    def step(self, number: int, parameters: Iterable[torch.Tensor]) -> None:
        """Count a step of an optimizer for the results whose tensors it is about to change."""
        if not self._followed:
            return
        own = {id(parameter) for parameter in parameters}
        for one in self._followed:
            if id(one.shared) in own:
                one.steps += 1
                one.last_step = number
