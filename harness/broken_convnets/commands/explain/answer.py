"""What `explain` shows in the terminal: the cases that a pasted text is like."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from broken_convnets.corpus.diff import hunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.explain.matching import Match
    from broken_convnets.corpus.entries import Corpus, Entry

    Pieces = Iterator[tuple[str, str]]  # text, each with its style

SHOWN = 300  # characters of the message that was found
INDENT = "   "
NARROWEST = 20  # characters of a line, however narrow the terminal
NOTHING = """\
Nothing here is like it.
What is known are failures of convolutional networks in PyTorch: see `broken-convnets list`.
Messages are compared, not questions: does the text hold the last line of the traceback, with the \
name of the exception?
If nothing was raised, `broken-convnets trace your_program.py` shows what each layer took and \
gave, and where the first None or NaN came up."""


def answer(matches: list[Match], corpus: Corpus, width: int) -> Pieces:
    """Yield the page for matches in a corpus, the best first, for lines of `width` characters."""
    if not matches:
        yield "\n".join([*_wrapped(NOTHING, width), ""]), ""
        return
    read = " ".join(matches[0].read.split())
    told = f"Read: {read[:SHOWN]}{'…' * (len(read) > SHOWN)}"
    yield "\n".join([*_wrapped(told, width), ""]), ""
    for number, match in enumerate(matches, start=1):
        yield from _part(number, match, corpus.entries[match.id], width)


def _part(number: int, match: Match, case: Entry, width: int) -> Pieces:
    *lines, last = _wrapped(f"{number}. {match.title}  ({match.id})", width)
    name = f"({match.id})"
    yield "\n" + "".join(f"{line}\n" for line in lines) + last.removesuffix(name), "bold"
    yield f"{name}\n", "cyan"
    if match.numbers:
        yield from _paragraph("Your numbers: ", " ".join(match.numbers), width, "yellow")
    yield from _paragraph("What it means: ", match.why, width)
    yield from _paragraph("Ask: ", match.distinguish, width)
    for line, style in changes(case):
        yield f"{INDENT}{line}\n", style
    yield f"{INDENT}More: broken-convnets show {match.id}\n", "cyan"


def _paragraph(heading: str, text: str, width: int, style: str = "") -> Pieces:
    first, *lines = _wrapped(heading + text, width - len(INDENT))
    yield INDENT + first[: len(heading)], "bold"
    yield f"\n{INDENT}".join([first[len(heading) :], *lines]) + "\n", style


def _wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines of at most `width` characters, but for words that are longer."""
    return [
        part
        for line in text.splitlines()
        for part in textwrap.wrap(
            line, max(width, NARROWEST), break_long_words=False, break_on_hyphens=False
        )
    ]


def changes(case: Entry) -> Pieces:
    """Yield the lines that the fix takes away and adds, each run under the line above it."""
    broken, fixed = case.programs()["broken"], case.programs()["fixed"]
    old, new = broken.splitlines(), fixed.splitlines()
    for hunk in hunks(broken, fixed):
        if hunk.broken_start:
            yield f"  {old[hunk.broken_start - 1]}", "dim"
        for line in old[hunk.broken_start : hunk.broken_stop]:
            yield f"- {line}", "red"
        for line in new[hunk.fixed_start : hunk.fixed_stop]:
            yield f"+ {line}", "green"
