"""The console that all that is shown goes through."""

from __future__ import annotations

from rich.console import Console

WIDTH = 132  # where the output is no terminal


def console(*, stderr: bool = False) -> Console:
    """Return a console that keeps to NO_COLOR and does not wrap too early in a file."""
    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=WIDTH)
