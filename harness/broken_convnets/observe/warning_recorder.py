"""Record the warnings of a program, and what it does to hide them."""

from __future__ import annotations

import logging
import sys
import warnings
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.util.mask import mask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

HIDING = ("filterwarnings", "resetwarnings", "simplefilter")
SHOWING = ("filters", "showwarning", "warn", "warn_explicit", *HIDING)
THROUGH = ("contextlib.py", "functools.py", "logging/__init__.py", "unittest/mock.py")


class RecordedWarnings:
    """The warnings of a run: `texts` names each, and each attempt to hide some."""

    def __init__(self, file: str) -> None:
        """Record those of the program in a file."""
        self._file = file
        self.texts: list[str] = []

    def add(self, text: str) -> None:
        """Add one, as far as it is a message."""
        self.texts.append(mask(text))

    def called(self, name: str, frame: FrameType | None) -> None:
        """Note that a function that hides warnings is called, if the program itself calls it."""
        while frame is not None and frame.f_code.co_filename.endswith(THROUGH):
            frame = frame.f_back
        if frame is not None and frame.f_code.co_filename == self._file:
            self.add(f"the program calls {name}, which hides warnings")


@contextmanager
def recorded_warnings(file: str) -> Iterator[RecordedWarnings]:
    """Record every warning, and what the program in `file` does to hide one.

    Libraries may hide their own: torch does so around calls that it knows to warn.
    """
    recorded = RecordedWarnings(file)
    with ExitStack() as stack:
        shown = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        for module, name in [(warnings, name) for name in HIDING] + [(logging, "captureWarnings")]:
            function = getattr(module, name)
            stack.callback(setattr, module, name, function)
            setattr(module, name, _noting(function, name, recorded))
        before = _state()
        yield recorded
        for one in shown or []:
            recorded.add(f"{one.category.__name__}: {one.message}")
        if _state() != before:
            recorded.add("the program changes how warnings are shown")


def _noting(
    function: Callable[..., Any], name: str, recorded: RecordedWarnings
) -> Callable[..., Any]:
    def call(*arguments: Any, **keywords: Any) -> Any:
        recorded.called(name, sys._getframe(1))  # noqa: SLF001  (who calls it is what matters)
        return function(*arguments, **keywords)

    return call


def _state() -> tuple[object, ...]:
    """Return what decides which warnings are shown, and where."""
    functions = [getattr(warnings, name) for name in SHOWING if name != "filters"]
    internal = [vars(warnings).get("_showwarnmsg"), vars(warnings).get("_showwarnmsg_impl")]
    always = torch.is_warn_always_enabled()
    return (*functions, *internal, list(warnings.filters), sys.modules.get("warnings"), always)
