"""A lock on a folder, so that two commands that read, change and write its files take turns."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which is created if it does not exist, during the block.

    If another process holds it, a line on stderr says so until it is free. The lock ends with
    its process. Where the system cannot lock folders (Windows), the block runs without. Raises
    OSError if the folder cannot be created or opened.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        fcntl: Any = importlib.import_module("fcntl")
    except ImportError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _acquire(fcntl, descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _acquire(fcntl: Any, descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"waiting: another command writes to {folder}", file=sys.stderr, flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
