"""Call a function from a frame that looks like another one, which warnings then report."""

from __future__ import annotations

from types import CodeType, FrameType, FunctionType
from typing import TYPE_CHECKING, Any

from torch import overrides

from broken_convnets.observe.recorder.patches import AS_CALLER

if TYPE_CHECKING:
    from collections.abc import Callable


class Callers:
    """Makes functions that call another one as if they were the frame that called it.

    C++ code of torch and `warnings.warn(stacklevel=2)` place a warning at the file, the line and
    the globals of the calling frame. Functions are kept, one for each line.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._known: dict[tuple[int, int], tuple[CodeType, Callable[..., Any]]] = {}

    def like(self, caller: FrameType) -> Callable[[Callable[..., Any], Any, Any], Any]:
        """Return a function of (function, args, kwargs) that calls it as `caller` would."""
        code, line = caller.f_code, caller.f_lineno
        known = self._known.get((id(code), line))
        if known is None:
            stand_in = _call.__code__.replace(
                co_filename=code.co_filename, co_firstlineno=line - 1, co_name=AS_CALLER
            )
            known = (code, FunctionType(stand_in, caller.f_globals))  # the code keeps its id in use
            self._known[id(code), line] = known
        return known[1]


def _call(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    return func(*args, **kwargs)  # on the line after the first: `Callers.like` relies on it


def caller_of(frame: FrameType) -> FrameType:
    """Return the frame that called a torch function, given the one that called the mode."""
    if frame.f_code is overrides.handle_torch_function.__code__:
        function = frame.f_back  # one that is written in Python, and will be called again
        caller = function.f_back if function else None
        return caller or frame
    return frame
