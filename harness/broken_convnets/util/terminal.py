"""Print to the terminal with styles, or plain text to a file."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from broken_convnets.util.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

WIDTH = 132  # if the output is not a terminal, or says nothing credible about its own
NARROWEST = 20
STYLED = ("FORCE_COLOR", "TTY_COMPATIBLE")  # make rich treat a file as a terminal


def console(*, stderr: bool = False) -> Console:
    """Return a console that respects NO_COLOR and wraps at WIDTH in a file."""
    made = _console(stderr=stderr, width=None)
    plausible = made.is_terminal and made.width >= NARROWEST
    return made if plausible else _console(stderr=stderr, width=WIDTH)


def _console(*, stderr: bool, width: int | None) -> Console:
    """Return a console that shows the controls in any text, such as a layer's name."""
    from rich.console import Console  # noqa: PLC0415  (slower to import than to list the corpus)
    from rich.segment import Segment as Piece  # noqa: PLC0415  (likewise)

    class Visible(Console):
        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterator[Segment]:
            for text, style, control in super().render(renderable, options):
                yield Piece(text if control else visible(text), style, control)

    return Visible(stderr=stderr, highlight=False, width=width)


def print_pieces(
    pieces: Callable[[int], Iterable[tuple[str, str]]], *, stderr: bool = False
) -> None:
    """Print what `pieces` yields for a width in characters: texts, each with its style.

    Plain output does not import rich.
    """
    stream = sys.stderr if stderr else sys.stdout
    if not _is_terminal(stream) and not any(map(os.environ.get, STYLED)):
        print("".join(visible(text) for text, _ in pieces(WIDTH)), end="", file=stream)
        return
    from rich.text import Text  # noqa: PLC0415  (likewise)

    shown = console(stderr=stderr)
    shown.print(Text.assemble(*pieces(shown.width)), soft_wrap=True, end="")


def _is_terminal(stream: Any) -> bool:
    """Return whether a stream is a terminal; a traced program may have replaced it."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # ValueError: it is closed
        return False


def microseconds(nanoseconds: float | None) -> str:
    """Return a time in microseconds as text; empty for None."""
    return "" if nanoseconds is None else f"{nanoseconds / 1000:,.0f} µs"
