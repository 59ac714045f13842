"""Read files quickly, and write them so that no interruption leaves one half-written."""

from __future__ import annotations

import io
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
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
    draft = path.with_name(f".{secrets.token_hex(8)}.tmp")
    with draft.open("xb") as stream:  # it did not exist, so it is ours to delete
        try:
            stream.write(content)
            stream.flush()
            if path.exists():
                draft.chmod(path.stat().st_mode & 0o777)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def delete(folder: Path, paths: Iterable[str]) -> None:
    """Delete files, named by paths below `folder`, and then the folders that held nothing else.

    A path that leads out of the folder is ignored.
    """
    root = folder.resolve()
    for name in paths:
        path = folder / name
        if root not in path.resolve().parents:
            continue
        path.unlink(missing_ok=True)
        with suppress(OSError):  # a folder that is not empty
            for above in path.parents:
                if above == folder:
                    break
                above.rmdir()
