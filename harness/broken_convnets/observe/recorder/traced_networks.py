"""Keep the networks that a program passes to torch.jit.trace, with their example inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction
from broken_convnets.observe.trees import detached

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.record import Record

TRACED = 4  # networks


@dataclass(frozen=True, slots=True, eq=False)
class TracedNetwork:
    """A network, which stays alive, and copies of the inputs that it was traced with."""

    network: nn.Module
    inputs: tuple[Any, ...]


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
                self._note(*args, **kwargs)
            except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
                self._record.problem(error)
            return result

        return trace

    def _note(self, func: Any, example_inputs: Any = None, **_: Any) -> None:
        full = len(self._record.traced_networks) >= TRACED or not self._record.active
        if full or not isinstance(func, nn.Module) or example_inputs is None:
            return
        inputs = example_inputs if isinstance(example_inputs, tuple) else (example_inputs,)
        with NoDispatch(), NoFunction():
            self._record.traced_networks.append(TracedNetwork(func, detached(inputs)))
