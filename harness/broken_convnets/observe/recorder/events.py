"""Record calls of train() and eval(), epochs of loaders, and the warnings that are shown."""

from __future__ import annotations

import sys
import threading
import warnings
import weakref
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter

from broken_convnets.observe.recorder.aside import is_compiling
from broken_convnets.observe.recorder.places import user_places
from broken_convnets.observe.recorder.record import Epoch, Loader, ModeChange, Warned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.record import Record

EPOCHS = 1_000  # that are kept of one loader


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
        places = user_places(sys._getframe(2))  # noqa: SLF001  (there is no public one)
        change = ModeChange(mode, weakref.ref(module), places, self._record.moment)
        self._record.mode_changes.append(change)


class Loaders:
    """Records each iteration over a DataLoader, and how many batches were read."""

    def __init__(self, record: Record) -> None:
        """Start with no loader known."""
        self._record = record
        self._known: weakref.WeakKeyDictionary[Any, Loader] = weakref.WeakKeyDictionary()
        self._reading: weakref.WeakKeyDictionary[Any, Epoch] = weakref.WeakKeyDictionary()

    def patch(self, patches: Patches) -> None:
        """Stand in for `DataLoader.__iter__`, and for the iterators' `__next__`."""
        patches.replace(DataLoader, "__iter__", self._standing_in_for_iter)
        patches.replace(_BaseDataLoaderIter, "__next__", self._standing_in_for_next)

    def _standing_in_for_next(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def __next__(iterator: Any) -> Any:  # noqa: N807  (tracebacks show the name)
            batch = original(iterator)
            epoch = self._reading.get(iterator)
            if epoch is not None:
                epoch.batches += 1
            return batch

        return __next__

    def _standing_in_for_iter(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def __iter__(loader: Any) -> Iterator[Any]:  # noqa: N807  (tracebacks show the name)
            iterator: Iterator[Any] = original(loader)
            if self._record.active:
                self._note(loader, iterator)
            return iterator

        return __iter__

    def _note(self, loader: Any, iterator: Any) -> None:
        try:
            found = self._known.get(loader)
            if found is None:
                found = self._known[loader] = Loader(
                    type=type(loader.dataset).__name__,
                    batch_size=loader.batch_size,
                    sampler=type(loader.sampler).__name__,
                    workers=loader.num_workers,
                )
                self._record.loaders.append(found)
            if len(found.epochs) < EPOCHS:
                places = user_places(sys._getframe(2))  # noqa: SLF001  (there is no public one)
                epoch = self._reading[iterator] = Epoch(places, self._record.moment)
                found.epochs.append(epoch)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)


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
                places = user_places(sys._getframe(1))  # noqa: SLF001  (there is no public one)
                moment = self._record.moment
                warned = Warned(category.__name__, str(message), filename, lineno, places, moment)
                self._record.warnings.append(warned)
            original(message, category, filename, lineno, *rest, **named)

        return showwarning
