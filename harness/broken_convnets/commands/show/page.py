"""The page of one entry in the terminal: what happens, what it means, the fix, then the details."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from broken_convnets.corpus.diff import hunks
from broken_convnets.corpus.entries import Case
from broken_convnets.corpus.source_lines import lines_of
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import RenderableType

    from broken_convnets.corpus.entries import Control, Entry
    from broken_convnets.corpus.guides import Guide
    from broken_convnets.corpus.spec import OtherMessage
    from broken_convnets.verdicts.records import Record

WORDINGS = 5  # shown at most
FIRST_LAYERS, LAST_LAYERS = 8, 16  # shown at most, of a longer trace


def page(
    entry: Entry, root: Path, record: Record | None = None, release: str = "", times: str = ""
) -> RenderableType:
    """Return everything known about one entry of the corpus at `root`.

    `record` is what happened under the torch `release`; `times` is a sentence on its run times.
    """
    parts = _case(entry, record, release) if isinstance(entry, Case) else _control(entry)
    return Group(
        Text(f"{entry.id}: {entry.spec.title}", style="bold"),
        *parts,
        *([_heading("Run time"), Text(times)] if times else []),
        *_run_it(entry, root),
    )


def _case(case: Case, record: Record | None, release: str) -> Iterator[RenderableType]:
    spec = case.spec
    yield _heading("What happens")
    yield from _silent(case) if spec.broken.stage is Stage.SILENT else _loud(case, record)
    yield from (_heading("What it means"), Text(spec.why))
    yield from (_heading("The fix"), source_diff(case))
    yield from (Text("How to find it next time", style="bold"), Text(spec.diagnose))
    yield from (_heading("How to tell it apart"), Text(spec.distinguish))
    if record and record.broken and record.broken.layers:
        yield _heading(f"Layer trace (torch {release})")
        yield from _layers(record.broken.layers, case.id)
    if spec.other_messages:
        yield _heading("Other wordings")
        yield from _other_wordings(spec.other_messages, case.id)
    yield from (_heading("Reports"), *(Text(f"  {url}") for url in spec.sources))


def _silent(case: Case) -> Iterator[Text]:
    yield Text("Nothing is raised.", style="red")
    for law in sorted(case.spec.broken.violates):
        yield Text(f"The program violates {law}: {law.violation}.", style="red")


def _loud(case: Case, record: Record | None) -> Iterator[RenderableType]:
    broken = case.spec.broken
    message = record.broken.message if record and record.broken else broken.message or ""
    where = f"stage {broken.stage}" + (f", layer {broken.layer}" if broken.layer else "")
    yield Text(f"{broken.raises} ({where})", style="red")
    yield Padding.indent(Text(message), 2)


def _layers(lines: list[str], name: str) -> Iterator[Text]:
    more = len(lines) - FIRST_LAYERS - LAST_LAYERS
    if more <= 1:
        yield from (Text(f"  {line}") for line in lines)
        return
    yield from (Text(f"  {line}") for line in lines[:FIRST_LAYERS])
    yield _more(more, name)
    yield from (Text(f"  {line}") for line in lines[-LAST_LAYERS:])


def _other_wordings(others: list[OtherMessage], name: str) -> Iterator[RenderableType]:
    for other in others[:WORDINGS]:
        text = Text(other.message)
        text.append(f"  (torch {other.torch})" if other.torch else "", style="dim")
        yield Padding.indent(text, 2)
    if len(others) > WORDINGS:
        yield _more(len(others) - WORDINGS, name)


def _more(count: int, name: str) -> Text:
    return Text(f"  … {count} more: `broken-convnets show {name} --json` has all", style="dim")


def _control(control: Control) -> Iterator[RenderableType]:
    spec = control.spec
    yield from (_heading("Claim"), Text(f"  “{spec.claim}”"))
    yield from (_heading("What is true"), Text(spec.truth))
    yield _heading("The program")
    yield from (Text(f"  {line}") for line in control.source.splitlines())
    yield from (_heading("Reports"), *(Text(f"  {url}") for url in spec.sources))


def guide_page(guide: Guide) -> RenderableType:
    """Return a guide: what its error means and what to try, in which order."""
    spec = guide.spec
    numbered = (Text(f"  {number}. {step}") for number, step in enumerate(spec.steps, start=1))
    return Group(
        Text(f"{guide.id}: {spec.title}", style="bold"),
        Text(f"Not verified by a program: {spec.unverified}.", style="yellow"),
        *(_heading("What happens"), Padding.indent(Text(spec.messages[0].message, style="red"), 2)),
        *(_heading("What it means"), Text(spec.why)),
        *(_heading("What to try, in this order"), *numbered),
        *(_heading("How to tell it apart"), Text(spec.distinguish)),
        *([_heading("See also"), Text(f"  {', '.join(spec.related)}")] if spec.related else []),
        *(_heading("Other wordings"), *_other_wordings(spec.messages[1:], guide.id)),
        *(_heading("Reports"), *(Text(f"  {url}") for url in spec.sources)),
    )


def _run_it(entry: Entry, root: Path) -> Iterator[Text]:
    tree = "cases" if isinstance(entry, Case) else "controls"
    path = os.path.relpath(root / tree / f"{entry.id}.py")
    shown = str(root.absolute() / tree / f"{entry.id}.py") if path.startswith("..") else path
    yield from (_heading("Run it"), Text(f"  python {shown}"))
    yield Text(f"  broken-convnets reproduce {entry.id}")


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def source_diff(case: Case) -> Text:
    """Return the case's source with the changes of the fix, and a mark on the line that raises."""
    old, new = case.broken.splitlines(), case.fixed.splitlines()
    changes = {hunk.broken_start: hunk for hunk in hunks(case.broken, case.fixed)}
    symptom = symptom_line(case)
    text, index = Text(), 0
    while index < len(old) or index in changes:
        hunk = changes.pop(index, None)
        stop = hunk.broken_stop if hunk else index + 1
        for number in range(index, stop):
            sign, style = ("- ", "red") if hunk else ("  ", "")
            text.append(f"{number + 1:3} {sign}{old[number]}", style=style)
            text.append("   ◄ raises here" if number + 1 == symptom else "", style="bold red")
            text.append("\n")
        if hunk:
            for line in new[hunk.fixed_start : hunk.fixed_stop]:
                text.append(f"    + {line}\n", style="green")
        index = stop
    return text


def symptom_line(case: Case) -> int | None:
    """Return the line of the case, from 1, that holds the failing expression."""
    return min(lines_of(case.spec.broken.expression or "", case.broken), default=None)
