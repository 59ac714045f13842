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


def is_tracing() -> bool:
    """Return whether torch.fx, AOT autograd or torch.jit.trace runs the code to record it."""
    in_fx = getattr(fx, "_is_fx_tracing_flag", False)
    return bool(in_fx) or TracingContext.try_get() is not None or torch.jit.is_tracing()


def _has_dispatch_modes() -> bool:
    # Fake tensors dispatch without a mode too, but nothing is computed of their values.
    return bool(torch._C._len_torch_dispatch_stack())  # noqa: SLF001  (there is no public one)


class unseen:  # noqa: N801  (used as a function is, and several times for every operator)
    """Enter with the default device; no mode, subclass or tracer of the program sees the inside."""

    __slots__ = ("_dispatch", "_function", "_tracing")

    def __enter__(self) -> str:
        """Pause what would see the operators of the recorder."""
        device = default_device()
        self._tracing = torch._C._get_tracing_state()  # noqa: SLF001  (torch.jit.trace has no public pause)
        if self._tracing is not None:
            torch._C._set_tracing_state(None)  # noqa: SLF001  (as above)
        self._dispatch = None
        if _has_dispatch_modes():
            self._dispatch = torch._C._DisableTorchDispatch()  # noqa: SLF001  (there is no public one)
            self._dispatch.__enter__()
        self._function = torch._C.DisableTorchFunction()  # noqa: SLF001  (as above)
        self._function.__enter__()
        return device

    def __exit__(self, *error: object) -> None:
        """Let the program's modes see again."""
        self._function.__exit__(*error)
        if self._dispatch is not None:
            self._dispatch.__exit__(*error)
        if self._tracing is not None:
            torch._C._set_tracing_state(self._tracing)  # noqa: SLF001  (as above)
