"""Keep the networks that a program passes to torch.jit.trace, with their example inputs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from broken_convnets.observe.modes import modal_layers
from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction
from broken_convnets.observe.recorder.places import user_places
from broken_convnets.observe.trees import detached

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Moment

TRACED = 4  # networks


@dataclass(frozen=True, slots=True, eq=False)
class TracedNetwork:
    """A network, which stays alive, and copies of the inputs that it was traced with.

    `train_mode` are the types of its layers that the trace fixes in train mode.
    """

    network: nn.Module
    inputs: tuple[Any, ...]
    train_mode: tuple[str, ...]
    places: tuple[Place, ...]
    moment: Moment


class TracedNetworks:
    """Stands in for `torch.jit.trace`."""

    def __init__(self, record: Record) -> None:
        """Start with none."""
        self._record = record

    def patch(self, patches: Patches) -> None:
        """Stand in for the function."""
        patches.replace(torch.jit, "trace", self._tracing)

    def _tracing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def trace(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            try:
                places = user_places(sys._getframe(1))  # noqa: SLF001  (no public equivalent)
                self._note(places, *args, **kwargs)
            except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
                self._record.problem(error)
            return result

        return trace

    def _note(
        self, places: tuple[Place, ...], func: Any, example_inputs: Any = None, **_: Any
    ) -> None:
        full = len(self._record.traced_networks) >= TRACED or not self._record.active
        if full or not isinstance(func, nn.Module) or example_inputs is None:
            return
        inputs = example_inputs if isinstance(example_inputs, tuple) else (example_inputs,)
        training = (type(one).__name__ for one in modal_layers(func) if one.training)
        with NoDispatch(), NoFunction():
            self._record.traced_networks.append(
                TracedNetwork(
                    network=func,
                    inputs=detached(inputs),
                    train_mode=tuple(dict.fromkeys(training)),
                    places=places,
                    moment=self._record.moment,
                )
            )
