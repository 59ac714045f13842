"""Standard streams around a user's program, which may replace or close them."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import BinaryIO, TextIO

from broken_convnets.errors import UsageError


def prepare_standard_streams() -> None:
    """Make the standard streams usable, whatever started this process.

    A text that the encoding of the terminal lacks is printed with escapes. Where stdin or stderr
    is closed, the null device takes its place: else the next file that is opened would. Raises
    UsageError if stdout is closed.
    """
    closed = [descriptor for descriptor in range(3) if not _is_open(descriptor)]
    for _ in closed:
        os.open(os.devnull, os.O_RDWR)  # the lowest descriptor that is free
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  (lasts as long as this process)
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  (likewise)
    if 1 in closed:
        message = "standard output is closed: redirect it to a file or to /dev/null"
        raise UsageError(message)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def own_stdout() -> BinaryIO:
    """Return the real stdout for a document, and send everyone else's output there to stderr."""
    sys.stdout.flush()
    ours = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return ours


class Streams:
    """Remembers stdin, stdout and stderr as they are now."""

    def __init__(self) -> None:
        """Remember the objects, and duplicate the descriptors of stdout and stderr."""
        self._stdin = sys.stdin
        self._outputs = [(sys.stdout, 1, os.dup(1)), (sys.stderr, 2, os.dup(2))]

    def restore(self) -> None:
        """Flush the current streams and bring back the former ones; reopen what was closed."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # the program's own object may raise anything
                stream.flush()
        sys.stdin = self._stdin
        sys.stdout, sys.stderr = (_reopened(*output) for output in self._outputs)


def _reopened(stream: TextIO, descriptor: int, copy: int) -> TextIO:
    """Return `stream`, or a new one on the same descriptor if the program closed it."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.dup2(copy, descriptor)
    if not stream.closed:
        return stream
    return open(descriptor, "w", encoding=stream.encoding, errors="replace", closefd=False)
