"""Read files quickly, and replace files and folders in one step.

No interruption leaves them half-written.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT_FDCWD = -100  # linux/fcntl.h
RENAME_EXCHANGE = 2  # linux/fs.h
ASIDE = "-aside"
RENAME_SWAP = 2  # macOS sys/stdio.h


def read(path: Path | str) -> str:
    """Return what `Path.read_text` does for UTF-8, in a third of the time, for many small files."""
    with io.FileIO(path) as stream:
        text = stream.readall().decode()
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def write(path: Path, text: str) -> None:
    """Write a text file, in UTF-8, by way of a temporary one beside it."""
    write_bytes(path, text.replace("\n", os.linesep).encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file by way of a temporary one beside it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """Give a copy of `folder` to change; put it in the folder's place when the block is done.

    Several files change together: whoever looks sees all of them as before or as after.
    Where the block raises, nothing changes.
    """
    _clear_drafts(folder)
    draft = folder.with_name(f".{folder.name}-{os.getpid()}")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(folder, draft)
        yield draft
        _exchange(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _clear_drafts(folder: Path) -> None:
    """Delete what writers that are dead have left; put back a folder lost between two renames."""
    import psutil  # noqa: PLC0415  (slow to load, and nobody else here needs it)

    for stale in folder.parent.glob(f".{folder.name}-*"):
        writer = int(stale.name.removesuffix(ASIDE).rpartition("-")[2])
        if writer != os.getpid() and psutil.pid_exists(writer):
            continue
        if stale.name.endswith(ASIDE) and not folder.exists():
            stale.rename(folder)
        else:
            shutil.rmtree(stale, ignore_errors=True)


def _exchange(one: Path, other: Path) -> None:
    """Let two paths change names: atomically on Linux and macOS, nearly so elsewhere."""
    import ctypes  # noqa: PLC0415  (likewise)

    first, second = os.fsencode(one), os.fsencode(other)
    failed = True
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        failed = libc.renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE)
    elif sys.platform == "darwin":
        failed = ctypes.CDLL(None).renamex_np(first, second, RENAME_SWAP)
    if failed:  # a file system that cannot
        aside = one.with_name(one.name + ASIDE)
        other.rename(aside)
        one.rename(other)
        aside.rename(one)
