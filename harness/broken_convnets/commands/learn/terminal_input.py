"""Keys and saved files as one stream of events; the terminal is given back as it was."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Self

from broken_convnets.errors import UsageError

try:
    import termios
    import tty
except ImportError:  # Windows
    termios = tty = None  # type: ignore[assignment]  # modules elsewhere

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

SAVED = ""  # the event of a file; no key is empty
QUIT = "q"  # also Ctrl-D, and an input that has closed
END_OF_INPUT = "\x04"
SEQUENCE = re.compile(r"\x1b(\[[0-9;]*[A-Za-z~]|O[A-Z])?")  # what an arrow sends: no key of ours
EVERY = 0.15  # seconds between looks at the file: it is one, and a look takes microseconds

Stamp = tuple[int, int, int] | None


class Events(AbstractContextManager["Events"]):
    """Reads single keys from the terminal, and sees when one file was saved.

    Ctrl-C still raises KeyboardInterrupt, and Ctrl-Z works. Raises UsageError where there
    is no terminal for keys.
    """

    def __init__(self) -> None:
        """Take the terminal on standard input."""
        if termios is None or not (sys.stdin.isatty() and sys.stdout.isatty()):
            message = "keys need a terminal: `learn ID --once` judges a program without one"
            raise UsageError(message)
        self._terminal = sys.stdin.fileno()
        self._typed = ""
        self._path: Path | None = None
        self._judged: Stamp = None
        self._seen: Stamp = None

    def watch(self, path: Path) -> None:
        """Look at this file from now on; call before reading it, so that no change is missed."""
        self._path = path
        self._judged = self._seen = _stamp(path)

    def next(self) -> str:
        """Wait for a key, returned in lower case, or for a saved file: SAVED."""
        while True:
            if self._typed:
                key, self._typed = self._typed[0], self._typed[1:]
                return key
            ready, _, _ = select.select([self._terminal], [], [], EVERY)
            if ready:
                self._read()
                continue
            now = _stamp(self._path) if self._path else None
            if now != self._judged and now == self._seen:  # written to its end: it has settled
                self._judged = now
                return SAVED
            self._seen = now

    def _read(self) -> None:
        """Take what was typed; a closed input is as good as Ctrl-D."""
        data = os.read(self._terminal, 1 << 10)
        text = data.decode(errors="replace") or END_OF_INPUT
        self._typed += SEQUENCE.sub("", text).replace(END_OF_INPUT, QUIT).lower()

    def _unbuffered(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        tty.setcbreak(self._terminal)

    def __enter__(self) -> Self:
        """Begin: keys come one by one and are not shown."""
        self._before = termios.tcgetattr(self._terminal)
        self._continued = signal.signal(signal.SIGCONT, self._unbuffered)
        self._unbuffered()
        return self

    def __exit__(self, *_: object) -> None:
        """Give the terminal back as it was."""
        signal.signal(signal.SIGCONT, self._continued)
        termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
