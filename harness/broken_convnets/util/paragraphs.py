"""Wrap prose for a terminal of any width."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

INDENT = "   "
NARROWEST = 20  # characters of a line, however narrow the terminal


def paragraph(heading: str, text: str, width: int, style: str = "") -> Iterator[tuple[str, str]]:
    """Yield an indented paragraph that begins with a bold heading, as pairs of text and style."""
    first, *lines = wrapped(heading + text, width - len(INDENT))
    yield INDENT + first[: len(heading)], "bold"
    yield f"\n{INDENT}".join([first[len(heading) :], *lines]) + "\n", style


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines of at most `width` characters, except for longer words."""
    return [
        part
        for line in text.splitlines()
        for part in textwrap.wrap(
            line, max(width, NARROWEST), break_long_words=False, break_on_hyphens=False
        )
    ]
