"""Record which files a program lists, in the order in which the file system returns them."""

from __future__ import annotations

import contextlib
import glob
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from broken_convnets.observe.recorder.patches import is_recorder_code
from broken_convnets.observe.recorder.places import is_user_file, user_places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record

NAMES = 20_000  # of one listing that are kept
LIMIT = 200  # listings


@dataclass(frozen=True, slots=True)
class Listing:
    """A folder or a pattern that the user's own code lists, and the names, as returned.

    `others` is whether the folder contains files although the listing has no name.
    """

    folder: str
    names: tuple[str, ...]
    places: tuple[Place, ...]
    others: bool = False


class Listings:
    """Replaces `os.listdir`, `glob.glob`, `Path.iterdir`, `Path.glob` and `rglob`."""

    def __init__(self, record: Record) -> None:
        """Start with no listing."""
        self._record = record

    def patch(self, patches: Patches) -> None:
        """Stand in for the functions."""
        patches.replace(os, "listdir", self._returning)
        patches.replace(glob, "glob", self._returning)
        patches.replace(Path, "iterdir", self._yielding)
        patches.replace(Path, "glob", self._yielding)
        patches.replace(Path, "rglob", self._yielding)

    def _returning(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def list_names(*args: Any, **kwargs: Any) -> Any:
            names = original(*args, **kwargs)
            caller = sys._getframe(1)  # noqa: SLF001  (no public equivalent)
            if self._is_users(caller):
                self._note(args[0] if args else ".", names, caller)
            return names

        return list_names

    def _yielding(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def list_paths(path: Path, *args: Any, **kwargs: Any) -> Iterator[Path]:
            found: Iterator[Path] = original(path, *args, **kwargs)
            caller = sys._getframe(1)  # noqa: SLF001  (no public equivalent)
            if not self._is_users(caller):
                return found
            paths = list(found)
            self._note(path.joinpath(*map(str, args[:1])), paths, caller)
            return iter(paths)

        return list_paths

    def _is_users(self, caller: FrameType) -> bool:
        active = self._record.active and len(self._record.folders.listings) < LIMIT
        return (
            active
            and not is_recorder_code(caller.f_code)
            and is_user_file(caller.f_code.co_filename)
        )

    def _note(self, folder: Any, names: list[Any], caller: FrameType) -> None:
        try:
            kept = tuple(os.fsdecode(name) for name in names[:NAMES])
            text = os.fsdecode(folder) if not isinstance(folder, int) else str(folder)
            others = not kept and _has_files(text)
            self._record.folders.listings.append(Listing(text, kept, user_places(caller), others))
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)


def _has_files(pattern: str) -> bool:
    """Return whether the folder that a pattern searches contains anything."""
    folder = Path(pattern)
    while glob.has_magic(str(folder)):
        folder = folder.parent
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return any(entries)
    return False
