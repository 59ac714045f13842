"""Standard streams around a user's program, which may replace or close them."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import BinaryIO, TextIO


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
