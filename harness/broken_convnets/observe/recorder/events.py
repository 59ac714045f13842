"""Record calls of train() and eval(), and the warnings that are shown."""

from __future__ import annotations

import sys
import threading
import warnings
import weakref
from typing import TYPE_CHECKING, Any

from torch import nn

from broken_convnets.observe.recorder.aside import is_compiling
from broken_convnets.observe.recorder.places import user_places
from broken_convnets.observe.recorder.recorded_events import ModeChange, Warned

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.record import Record


class Modes:
    """Records train() and eval() as the program calls them, not their recursion."""

    def __init__(self, record: Record) -> None:
        """Start with no call."""
        self._record = record
        self._thread = threading.local()

    def patch(self, patches: Patches) -> None:
        """Stand in for `nn.Module.train`, which `eval` calls."""
        patches.replace(nn.Module, "train", self._standing_in)

    def _standing_in(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def train(module: nn.Module, mode: bool = True) -> Any:  # noqa: FBT001, FBT002  (as torch has it)
            inside = getattr(self._thread, "inside", False)
            if inside or is_compiling() or not self._record.active:
                return original(module, mode)
            self._thread.inside = True
            try:
                result = original(module, mode)
            finally:
                self._thread.inside = False
            self._note(module, mode=bool(mode))
            return result

        return train

    def _note(self, module: nn.Module, *, mode: bool) -> None:
        places = user_places(sys._getframe(2))  # noqa: SLF001  (no public equivalent)
        change = ModeChange(mode, weakref.ref(module), places, self._record.moment)
        self._record.mode_changes.append(change)


class Warnings:
    """Records the warnings that Python shows; filters, and what is shown, stay as they are."""

    def __init__(self, record: Record) -> None:
        """Start with no warning."""
        self._record = record

    def patch(self, patches: Patches) -> None:
        """Stand in for `warnings.showwarning`."""
        patches.replace(warnings, "showwarning", self._standing_in)

    def _standing_in(self, original: Callable[..., None]) -> Callable[..., None]:
        def showwarning(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            *rest: Any,
            **named: Any,
        ) -> None:
            if self._record.active:
                places = user_places(sys._getframe(1))  # noqa: SLF001  (no public equivalent)
                moment = self._record.moment
                warned = Warned(category.__name__, str(message), filename, lineno, places, moment)
                self._record.warnings.append(warned)
            original(message, category, filename, lineno, *rest, **named)

        return showwarning
