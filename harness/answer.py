"""What `explain` shows in the terminal: the cases that a pasted text is like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from .diff import hunks

if TYPE_CHECKING:
    from .corpus import Corpus, Entry
    from .matching import Match

SHOWN = 300  # characters of the message that was found
INDENT = (0, 0, 0, 3)
NOTHING = """\
Nothing here is like it.
What is known are failures of convolutional networks in PyTorch: see `python -m harness list`.
Does the text hold the last line of the traceback, with the name of the exception?"""


def answer(matches: list[Match], corpus: Corpus) -> RenderableType:
    """Return the page for matches in a corpus, the best first."""
    if not matches:
        return Text(NOTHING)
    read = " ".join(matches[0].read.split())
    parts: list[RenderableType] = [Text(f"Read: {read[:SHOWN]}{'…' * (len(read) > SHOWN)}")]
    for number, match in enumerate(matches, start=1):
        parts += _part(number, match, corpus.entries[match.id])
    return Group(*parts)


def _part(number: int, match: Match, case: Entry) -> list[RenderableType]:
    title = Text(f"\n{number}. {match.title}", style="bold")
    parts: list[RenderableType] = [title.append(f"  ({match.id})", style="not bold cyan")]
    if match.numbers:
        parts += [_indented("Your numbers", " ".join(match.numbers), style="yellow")]
    parts += [_indented("What it means", match.why), _indented("Ask", match.tell)]
    parts += [Padding(changes(case), INDENT, expand=False)]
    more = Text(f"More: python -m harness show {match.id}", style="cyan")
    return [*parts, Padding(more, INDENT, expand=False)]


def _indented(heading: str, text: str, style: str = "") -> Padding:
    said = Text(f"{heading}: ", style="bold").append(text, style=style or "not bold")
    return Padding(said, INDENT, expand=False)


def changes(case: Entry) -> Text:
    """Return the lines that the fix takes away and adds, each run under the line above it."""
    broken, fixed = case.programs()["broken"], case.programs()["fixed"]
    old, new = broken.splitlines(), fixed.splitlines()
    text = Text()
    for hunk in hunks(broken, fixed):
        if hunk.broken_start:
            text.append(f"  {old[hunk.broken_start - 1]}\n", style="dim")
        for line in old[hunk.broken_start : hunk.broken_stop]:
            text.append(f"- {line}\n", style="red")
        for line in new[hunk.fixed_start : hunk.fixed_stop]:
            text.append(f"+ {line}\n", style="green")
    text.rstrip()
    return text
