"""When the recorder stands aside, and how it looks at values without being seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch._guards import TracingContext
from torch.fx import _symbolic_trace as fx

from broken_convnets.observe.describe import default_device

if TYPE_CHECKING:
    from collections.abc import Callable


def _never() -> bool:
    return False


# Whether torch.compile or torch.export reads the code instead of running it.
_compiler: Any = getattr(torch, "compiler", None)
is_compiling: Callable[[], bool] = getattr(_compiler, "is_compiling", _never)  # torch 2.0 has none


def is_read_by_torch() -> bool:
    """Return whether torch.compile, export, fx or jit.trace runs the code to translate it."""
    if is_compiling() or getattr(fx, "_is_fx_tracing_flag", False):
        return True
    return TracingContext.try_get() is not None or torch.jit.is_tracing()


def _has_dispatch_modes() -> bool:
    # Fake tensors dispatch without a mode too, but nothing is computed of their values.
    return bool(torch._C._len_torch_dispatch_stack())  # noqa: SLF001  (there is no public one)


class unseen:  # noqa: N801  (used as a function is, and several times for every operator)
    """Enter with the default device; no mode or subclass of the program sees what runs inside."""

    __slots__ = ("_dispatch", "_function")

    def __enter__(self) -> str:
        """Disable what would see the operators of the recorder."""
        device = default_device()
        self._dispatch = None
        if _has_dispatch_modes():
            self._dispatch = torch._C._DisableTorchDispatch()  # noqa: SLF001  (there is no public one)
            self._dispatch.__enter__()
        self._function = torch._C.DisableTorchFunction()  # noqa: SLF001  (as above)
        self._function.__enter__()
        return device

    def __exit__(self, *error: object) -> None:
        """Enable it again."""
        self._function.__exit__(*error)
        if self._dispatch is not None:
            self._dispatch.__exit__(*error)
