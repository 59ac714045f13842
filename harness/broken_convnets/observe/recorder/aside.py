"""When the recorder stands aside, and how it looks at values without being seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch._guards import TracingContext
from torch.fx import _symbolic_trace as fx

if TYPE_CHECKING:
    from collections.abc import Callable


def _never() -> bool:
    return False


def _has_fx_flag() -> bool:
    return bool(getattr(fx, "_is_fx_tracing_flag", False))  # of earlier releases


# Whether torch.compile or torch.export reads the code instead of running it.
_compiler: Any = getattr(torch, "compiler", None)
is_compiling: Callable[[], bool] = getattr(_compiler, "is_compiling", _never)  # torch 2.0 has none

is_fx_tracing: Callable[[], bool] = getattr(fx, "is_fx_symbolic_tracing", _has_fx_flag)


def is_read_by_torch() -> bool:
    """Return whether torch.compile, export, fx or jit.trace runs the code to translate it."""
    if is_compiling() or is_fx_tracing():
        return True
    return TracingContext.try_get() is not None or torch.jit.is_tracing()


# Inside of both, no mode and no subclass of the program sees the operators of the recorder. They
# are entered and left by C code, so that Ctrl-C cannot come in between and leave them active.
NoDispatch: Any = torch._C._DisableTorchDispatch  # noqa: SLF001  (no public equivalent)
NoFunction: Any = torch._C.DisableTorchFunction  # noqa: SLF001  (as above)
