"""Replace functions of torch for a while, so that neither warnings nor forked workers notice."""

from __future__ import annotations

import os
import weakref
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")

# Python does not count frames whose file name has both words when `warnings.warn(stacklevel=...)`
# looks for the caller: a frame of the recorder in between then changes no place.
HIDDEN = "<recorder of broken_convnets, hidden from warnings as importlib._bootstrap is>"
AS_CALLER = "<called as its caller>"  # the name of a function that stands for its caller


def is_recorder_code(code: CodeType) -> bool:
    """Return whether a code object belongs to the recorder and not to the program."""
    return code.co_filename == HIDDEN or code.co_name == AS_CALLER


def hidden(function: Function) -> Function:
    """Return a copy of a function whose frames are skipped by warnings and left out of reports."""
    assert isinstance(function, FunctionType)  # noqa: S101  (for the type checker)
    code = function.__code__.replace(co_filename=HIDDEN)
    copy = FunctionType(code, function.__globals__, function.__name__, None, function.__closure__)
    copy.__defaults__, copy.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    copy.__dict__.update(function.__dict__)
    copy.__doc__ = function.__doc__
    return copy  # type: ignore[return-value]  # a copy has the same type


class Patches:
    """Attributes that are replaced until `undo`."""

    def __init__(self) -> None:
        """Start with nothing replaced."""
        self._replaced: list[tuple[Any, str, Any, Any]] = []
        self._at_end: list[Callable[[], object]] = []

    def at_end(self, call: Callable[[], object]) -> None:
        """Call a function when the attributes are restored."""
        self._at_end.append(call)

    def replace(self, owner: Any, name: str, wrap: Callable[[Any], Callable[..., Any]]) -> None:
        """Replace an attribute by what `wrap` makes of it, hidden from warnings."""
        original = getattr(owner, name)
        replacement = hidden(wrap(original))
        self._replaced.append((owner, name, original, replacement))
        setattr(owner, name, replacement)

    def undo(self) -> None:
        """Restore what was replaced, except where someone else has replaced it since."""
        while self._at_end:
            self._at_end.pop()()
        while self._replaced:
            owner, name, original, replacement = self._replaced.pop()
            if getattr(owner, name) is replacement:
                setattr(owner, name, original)


_to_stop_in_children: weakref.WeakSet[Any] = weakref.WeakSet()


def stop_in_forked_children(recorder: Any) -> None:
    """Call `recorder.abandon()` in every process that is forked while it records."""
    _to_stop_in_children.add(recorder)


def record_in_forked_children(recorder: Any) -> None:
    """Take back `stop_in_forked_children`."""
    _to_stop_in_children.discard(recorder)


def _stop() -> None:
    for recorder in list(_to_stop_in_children):
        recorder.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_stop)
