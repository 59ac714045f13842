"""Read files quickly, and write them so that no interruption leaves one half-written."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def read(path: Path | str) -> str:
    """Return what `Path.read_text` returns for UTF-8, in a third of the time."""
    with io.FileIO(path) as stream:
        text = stream.readall().decode()
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def write(path: Path, text: str) -> None:
    """Replace a text file, or create it, in UTF-8 and with the line ends of the system."""
    write_bytes(path, text.replace("\n", os.linesep).encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file in one step, or create it: readers see the old content or the new."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def delete_all_but(folder: Path, kept: Collection[Path]) -> None:
    """Delete every file below `folder` that is not in `kept`, and every folder without files."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what a folder contains comes before it
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # it is not empty
                path.rmdir()
        elif path not in kept:
            path.unlink()
