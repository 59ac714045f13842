"""Follow the values through a network: what each layer took and gave, until one failed."""

from __future__ import annotations

import traceback
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Self

from torch import nn
from torch.nn.modules import module as hooks

from .describe import describe
from .facts import Layer

if TYPE_CHECKING:
    from types import TracebackType

LAYER_LIMIT = 200


class Trace(AbstractContextManager["Trace"]):
    """Record the module calls of the last forward pass that began while it is active.

    Works on any number of networks, by PyTorch's global module hooks, which are removed
    on exit whatever happens.
    """

    def __init__(self) -> None:
        """Start with nothing recorded."""
        self._rows: list[tuple[nn.Module, str, str, str | None]] = []
        self._open: list[tuple[nn.Module, int]] = []
        self._root: nn.Module | None = None
        self._handles: list[Any] = []

    def __enter__(self) -> Self:
        """Begin to record."""
        self._handles = [
            hooks.register_module_forward_pre_hook(self._enter),
            hooks.register_module_forward_hook(self._leave),
        ]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop recording."""
        for handle in self._handles:
            handle.remove()

    def layers(self, error: BaseException | None = None) -> list[Layer]:
        """Return the calls in the order in which they began, the one that failed marked."""
        running = running_modules(error) if error else []
        calls = [i for i, row in enumerate(self._rows) if running and row[0] is running[-1]]
        last = calls[-1] if calls else None
        return [
            Layer(self.path(module), kind, takes, gives, failed=index == last)
            for index, (module, kind, takes, gives) in enumerate(self._rows)
        ]

    def path(self, module: nn.Module) -> str:
        """Return the name of `module` within the traced network; empty for the network."""
        names = {} if self._root is None else _paths(self._root)
        return names.get(id(module), "")

    def _enter(self, module: nn.Module, inputs: tuple[object, ...]) -> None:
        if not self._open or module is self._root:
            self._rows, self._open, self._root = [], [], module
        if len(self._rows) < LAYER_LIMIT:
            takes = ", ".join(describe(value) for value in inputs)
            self._open.append((module, len(self._rows)))
            self._rows.append((module, type(module).__name__, takes, None))
        else:
            self._open.append((module, -1))

    def _leave(self, module: nn.Module, inputs: object, output: object) -> None:  # noqa: ARG002
        # A call that raised, and whose exception the network caught, is still open: skip it.
        while self._open:
            opened, index = self._open.pop()
            if opened is module:
                if index >= 0:
                    self._rows[index] = (*self._rows[index][:3], describe(output))
                return


def _paths(root: nn.Module) -> dict[int, str]:
    return {id(module): name for name, module in root.named_modules()}


def running_modules(error: BaseException) -> list[nn.Module]:
    """Return the modules whose calls `error` passed through, the innermost last."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    owners = (f.f_locals.get("self") for f in frames if f.f_code.co_name == "_call_impl")
    return [owner for owner in owners if isinstance(owner, nn.Module)]
