"""Keep the folders that a program removes, so that its datasets can be read again afterwards.

Many programs write their images to a temporary folder, which is gone when they end.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.record import Record

FOLDERS = 8  # that are kept
FILES = 5_000  # of one folder
_remove = shutil.rmtree  # the original, while a stand-in is in place


@dataclass(frozen=True, slots=True)
class RemovedFolder:
    """A folder that the program removed, and where hard links to its files are."""

    path: Path
    kept: Path


class RemovedFolders:
    """Replaces `shutil.rmtree`, which `tempfile.TemporaryDirectory` calls too."""

    def __init__(self, record: Record) -> None:
        """Start with no folder."""
        self._record = record

    def patch(self, patches: Patches) -> None:
        """Stand in for the function."""
        patches.replace(shutil, "rmtree", self._keeping)

    def _keeping(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)  # with `avoids_symlink_attacks`
        def rmtree(path: Any, *args: Any, **kwargs: Any) -> Any:
            folders = self._record.folders.removed
            if self._record.active and len(folders) < FOLDERS and self._has_datasets():
                with contextlib.suppress(OSError, TypeError, ValueError):
                    folders += keep(Path(os.fsdecode(path)).absolute())
            return original(path, *args, **kwargs)

        return rmtree

    def _has_datasets(self) -> bool:
        return bool(self._record.loaders)


def keep(path: Path) -> list[RemovedFolder]:
    """Link the files of a folder into another one beside it; nothing if there are too many."""
    if path.is_symlink() or sum(len(files) for _, _, files in os.walk(path)) > FILES:
        return []
    kept = Path(tempfile.mkdtemp(prefix=".", dir=path.parent))
    try:
        shutil.copytree(path, kept, symlinks=True, copy_function=os.link, dirs_exist_ok=True)
    except OSError:
        _remove(kept, ignore_errors=True)
        return []
    return [RemovedFolder(path, kept)]


@contextlib.contextmanager
def restored(folders: Iterable[RemovedFolder]) -> Iterator[None]:
    """Put folders back where they were inside the block, and remove them for good after it."""
    back = []
    for folder in folders:
        with contextlib.suppress(OSError):
            if not folder.path.exists():
                folder.kept.rename(folder.path)
                back.append(folder.path)
    try:
        yield
    finally:
        for path in (*back, *(folder.kept for folder in folders)):
            _remove(path, ignore_errors=True)
