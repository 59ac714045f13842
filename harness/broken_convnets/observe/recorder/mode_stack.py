"""The modes through which a thread calls torch functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import overrides

if TYPE_CHECKING:
    from torch.overrides import TorchFunctionMode


def take_off_stack(mode: TorchFunctionMode) -> bool:
    """Remove a mode from the stack of this thread; return whether it was there."""
    stack = overrides._get_current_function_mode_stack()  # noqa: SLF001  (torch has no public way)
    if not any(other is mode for other in stack):
        return False
    for _ in stack:
        overrides._pop_mode()  # noqa: SLF001  (as above)
    for other in stack:
        if other is not mode:
            overrides._push_mode(other)  # noqa: SLF001  (as above)
    return True
