"""What `explain` shows in the terminal: the cases that are similar to an error."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.corpus.diff import hunks
from broken_convnets.corpus.entries import case_of
from broken_convnets.util.paragraphs import INDENT, paragraph, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from broken_convnets.commands.explain.matching import Match
    from broken_convnets.corpus.entries import Case

    Pieces = Iterator[tuple[str, str]]  # text, each with its style

SHOWN = 300  # characters of the message that was found
NOTHING = """\
No similar case found.
The corpus covers failures of convolutional networks in PyTorch: see `broken-convnets list`.
Paste the last line of the traceback, with the name of the exception: `explain` compares error \
messages, and knows what people say about failures that raise nothing.
If nothing was raised, `broken-convnets trace your_program.py` shows the inputs and output of \
each layer, and the first None or NaN."""


def answer(matches: list[Match], root: Path, width: int) -> Pieces:
    """Yield the matches in a corpus, best first, for lines of `width` characters."""
    if not matches:
        yield "\n".join([*wrapped(NOTHING, width), ""]), ""
        return
    read = " ".join(matches[0].read.split())
    found = f"Message: {read[:SHOWN]}{'…' * (len(read) > SHOWN)}"
    yield "\n".join([*wrapped(found, width), ""]), ""
    for number, match in enumerate(matches, start=1):
        yield from _part(number, match, width)
        yield from _steps(match, width) if match.steps else _fix(case_of(root, match.id))
        yield f"{INDENT}More: broken-convnets show {match.id}\n", "cyan"


def _part(number: int, match: Match, width: int) -> Pieces:
    *lines, last = wrapped(f"{number}. {match.title}  ({match.id})", width)
    name = f"({match.id})"
    yield "\n" + "".join(f"{line}\n" for line in lines) + last.removesuffix(name), "bold"
    yield f"{name}\n", "cyan"
    if match.unverified:
        reason = f"{match.unverified}."
        yield from paragraph("Not verified by a program: ", reason, width, "yellow")
    if match.numbers:
        yield from paragraph("Your numbers: ", " ".join(match.numbers), width, "yellow")
    example = ", in our example" if match.numbers and re.search(r"\d", match.why) else ""
    yield from paragraph(f"What it means{example}: ", match.why, width)
    yield from paragraph("How to tell it apart: ", match.distinguish, width)


def _fix(case: Case) -> Pieces:
    yield f"{INDENT}The fix in our example:\n", "bold"
    for line, style in changes(case):
        yield f"{INDENT}{line}\n", style


def _steps(match: Match, width: int) -> Pieces:
    yield f"{INDENT}Try, in this order:\n", "bold"
    for number, step in enumerate(match.steps, start=1):
        yield from paragraph(f"{number}. ", step, width)


def changes(case: Case) -> Pieces:
    """Yield the lines that the fix removes and adds, each block below the line above it."""
    old, new = case.broken.splitlines(), case.fixed.splitlines()
    for hunk in hunks(case.broken, case.fixed):
        if hunk.broken_start:
            yield f"  {old[hunk.broken_start - 1]}", "dim"
        for line in old[hunk.broken_start : hunk.broken_stop]:
            yield f"- {line}", "red"
        for line in new[hunk.fixed_start : hunk.fixed_stop]:
            yield f"+ {line}", "green"
