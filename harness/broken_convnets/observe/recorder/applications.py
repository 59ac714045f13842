"""Record the calls of `net.apply(function)`, and whether the function wrote to any tensor."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn.parameter import is_lazy

from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction, is_compiling
from broken_convnets.observe.recorder.places import user_places
from broken_convnets.observe.recorder.values import state_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.values import State


@dataclass(frozen=True, slots=True)
class Application:
    """A call of apply() that returned.

    `layers` are the classes of its modules that have a matrix or filters, each once. `idle` says
    that no operator ran inside and that no parameter was replaced or written to.
    """

    type: str
    places: tuple[Place, ...]
    code: CodeType | None  # of the function; None if it is not one of Python
    layers: tuple[str, ...]
    modules: int
    idle: bool


class Applications:
    """Replaces `nn.Module.apply`, which calls itself for the modules inside."""

    def __init__(self, record: Record) -> None:
        """Start with no call running."""
        self._record = record
        self._running = False

    def patch(self, patches: Patches) -> None:
        """Stand in for the method."""
        patches.replace(nn.Module, "apply", self._applying)

    def _applying(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def apply(module: nn.Module, fn: Any) -> Any:
            if self._running or not self._record.active or is_compiling():
                return original(module, fn)
            self._running = True
            before, operators = _states(module), self._record.operators.count
            try:
                result = original(module, fn)
            finally:
                self._running = False
            same = self._record.operators.count == operators and _states(module) == before
            self._note(module, fn, user_places(sys._getframe(1)), idle=same)  # noqa: SLF001  (no public equivalent)
            return result

        return apply

    def _note(
        self, module: nn.Module, function: Any, places: tuple[Place, ...], *, idle: bool
    ) -> None:
        try:
            while isinstance(function, partial):
                function = function.func
            found = Application(
                type=type(module).__name__,
                places=places,
                code=getattr(function, "__code__", None),
                layers=_layers(module),
                modules=sum(1 for _ in module.modules()),
                idle=idle,
            )
            self._record.applications.append(found)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)


def _states(module: nn.Module) -> list[State]:
    with NoDispatch(), NoFunction():
        return [state_of(tensor) for tensor in (*module.parameters(), *module.buffers())]


def _layers(module: nn.Module) -> tuple[str, ...]:
    with NoDispatch(), NoFunction():
        found = [
            type(one).__name__
            for one in module.modules()
            if any(not is_lazy(p) and p.ndim > 1 for p in nn.Module.parameters(one, recurse=False))
        ]
    return tuple(dict.fromkeys(found))
