"""Notice whether a program reads its standard input: it cannot be run again with the same input."""

from __future__ import annotations

import builtins
import functools
import io
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class StandardInput:
    """Whether the program has read anything; `input()` counts too."""

    was_read = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch `sys.stdin` and `input` inside a `with` block; what they return is unchanged."""
        stdin, ask = sys.stdin, builtins.input

        @functools.wraps(ask)
        def watched_input(*arguments: Any) -> str:
            self.was_read = True
            return ask(*arguments)

        builtins.input = watched_input
        if _is_descriptor_0(stdin):
            sys.stdin = self._stream(stdin)
        try:
            yield
        finally:
            builtins.input, sys.stdin = ask, stdin

    def _stream(self, original: Any) -> io.TextIOWrapper:
        raw = _WatchedFile(self)
        return io.TextIOWrapper(io.BufferedReader(raw), original.encoding, original.errors)


class _WatchedFile(io.FileIO):
    """Descriptor 0, which stays open."""

    def __init__(self, watch: StandardInput) -> None:
        super().__init__(0, closefd=False)
        self.name = "<stdin>"
        self._watch = watch

    def readinto(self, buffer: Any, /) -> int | None:
        self._watch.was_read = True
        return super().readinto(buffer)

    def readall(self) -> bytes:
        self._watch.was_read = True
        return super().readall()


def _is_descriptor_0(stream: Any) -> bool:
    try:
        return type(stream) is io.TextIOWrapper and stream.fileno() == 0
    except (OSError, ValueError):  # ValueError: it is closed
        return False
