"""Key presses and saved files as one stream of events; restores the terminal at the end."""

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

SAVED = ""  # the event of a saved file; a key is never empty
QUIT = "q"  # also Ctrl-D and a closed input
END_OF_INPUT = "\x04"
SEQUENCE = re.compile(r"\x1b(\[[0-9;]*[A-Za-z~]|O[A-Z])?")  # such as arrow keys: ignored
POLL_SECONDS = 0.15  # between two checks of the file; a check takes microseconds

Stamp = tuple[int, int, int] | None


class Events(AbstractContextManager["Events"]):
    """Reads single keys from the terminal, and notices when one file is saved.

    Ctrl-C still raises KeyboardInterrupt, and Ctrl-Z works. Raises UsageError if standard input
    or output is not a terminal.
    """

    def __init__(self) -> None:
        """Use the terminal on standard input."""
        if termios is None or not (sys.stdin.isatty() and sys.stdout.isatty()):
            message = "`learn` needs a terminal: use `learn ID --once` without one"
            raise UsageError(message)
        self._terminal = sys.stdin.fileno()
        self._typed = ""
        self._path: Path | None = None
        self._reported: Stamp = None
        self._seen: Stamp = None

    def watch(self, path: Path) -> None:
        """Watch this file from now on; call this before reading it, so that no change is missed."""
        self._path = path
        self._reported = self._seen = _stamp(path)

    def next(self) -> str:
        """Wait for a key, and return it in lower case, or for a saved file, and return SAVED."""
        while True:
            if self._typed:
                key, self._typed = self._typed[0], self._typed[1:]
                return key
            ready, _, _ = select.select([self._terminal], [], [], POLL_SECONDS)
            if ready:
                self._read()
                continue
            now = _stamp(self._path) if self._path else None
            if now != self._reported and now == self._seen:  # unchanged since the last check
                self._reported = now
                return SAVED
            self._seen = now

    def _read(self) -> None:
        """Read what was typed; a closed input counts as Ctrl-D."""
        data = os.read(self._terminal, 1 << 10)
        text = data.decode(errors="replace") or END_OF_INPUT
        self._typed += SEQUENCE.sub("", text).replace(END_OF_INPUT, QUIT).lower()

    def _unbuffered(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        tty.setcbreak(self._terminal)

    def __enter__(self) -> Self:
        """Read keys one by one, without echo."""
        self._before = termios.tcgetattr(self._terminal)
        self._continued = signal.signal(signal.SIGCONT, self._unbuffered)
        self._unbuffered()
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the terminal."""
        signal.signal(signal.SIGCONT, self._continued)
        termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
