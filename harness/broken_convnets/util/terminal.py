"""Where all that is shown goes: a console, or plain text where nobody would see its styles."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import Console

WIDTH = 132  # where the output is no terminal
STYLED = ("FORCE_COLOR", "TTY_COMPATIBLE")  # make rich take a file for a terminal


def console(*, stderr: bool = False) -> Console:
    """Return a console that keeps to NO_COLOR and does not wrap too early in a file."""
    from rich.console import Console  # noqa: PLC0415  (takes longer than to list the corpus)

    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=WIDTH)


def print_pieces(
    pieces: Callable[[int], Iterable[tuple[str, str]]], *, stderr: bool = False
) -> None:
    """Print what `pieces` gives for a width in characters: texts, each with its style.

    Where they go to no terminal, rich is not even loaded.
    """
    stream = sys.stderr if stderr else sys.stdout
    if not _is_terminal(stream) and not any(map(os.environ.get, STYLED)):
        print("".join(text for text, _ in pieces(WIDTH)), end="", file=stream)
        return
    from rich.text import Text  # noqa: PLC0415  (likewise)

    shown = console(stderr=stderr)
    shown.print(Text.assemble(*pieces(shown.width)), soft_wrap=True, end="")


def _is_terminal(stream: Any) -> bool:
    """Whether a stream is a terminal; a program that was traced may have put anything there."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # Value: it is closed
        return False


def microseconds(nanoseconds: float | None) -> str:
    """Return a time in words; nothing where there is none."""
    return "" if nanoseconds is None else f"{nanoseconds / 1000:,.0f} µs"
