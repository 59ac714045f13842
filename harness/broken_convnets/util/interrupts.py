"""Let a command report what it already knows when Ctrl-C or SIGTERM interrupts it."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Interruption:
    """Whether a block was interrupted: `exit_code` is 0 if it ran to its end."""

    exit_code: int = 0

    def __bool__(self) -> bool:
        """Whether the block was interrupted."""
        return self.exit_code != 0


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """End the block at KeyboardInterrupt or SystemExit; the exit code says which one it was.

    The command line turns SIGTERM into SystemExit. An exit with code 0 propagates, since it
    is not an interruption.
    """
    found = Interruption()
    try:
        yield found
    except KeyboardInterrupt:
        found.exit_code = 128 + signal.SIGINT
    except SystemExit as stop:
        if not isinstance(stop.code, int) or stop.code == 0:
            raise
        found.exit_code = stop.code
