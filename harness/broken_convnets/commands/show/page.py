"""The page of one entry in the terminal: its message, its diff, why, and how to find it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from broken_convnets.corpus.diff import hunks
from broken_convnets.corpus.entries import Case
from broken_convnets.corpus.source_lines import lines_of
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from rich.console import RenderableType

    from broken_convnets.corpus.entries import Control, Entry
    from broken_convnets.corpus.spec import OtherMessage
    from broken_convnets.verdicts.records import Record


def page(entry: Entry, record: Record | None, release: str, times: str = "") -> RenderableType:
    """Return all that is known about one entry; `times` is a sentence about its times."""
    if isinstance(entry, Case):
        return _case_page(entry, record, release, times)
    return _control_page(entry)


def _case_page(case: Case, record: Record | None, release: str, times: str) -> RenderableType:
    spec = case.spec
    broken = spec.broken
    parts: list[RenderableType] = [Text(f"{case.id}: {spec.title}", style="bold")]
    if broken.stage is Stage.SILENT:
        parts += [
            Text(f"Nothing is raised, but {law} is broken: {law.description}")
            for law in sorted(broken.violates)
        ]
    else:
        says = record.broken.message if record and record.broken else broken.message or ""
        where = f"stage {broken.stage}" + (f", layer {broken.layer}" if broken.layer else "")
        parts.append(Text(f"{broken.raises} ({where})", style="red"))
        parts.append(Padding(Text(says), (0, 0, 0, 2)))
    if spec.other_messages:
        parts += [_heading("Other releases say"), *map(_seen, spec.other_messages)]
    parts += [Text(""), source_diff(case)]
    if record and record.broken and record.broken.layers:
        parts += [_heading(f"What each layer took and gave (torch {release})")]
        parts += [Text(f"  {line}") for line in record.broken.layers]
    if times:
        parts += [_heading("How long it takes"), Text(times)]
    parts += [_heading("What it means"), Text(spec.why)]
    parts += [_heading("How to find it next time"), Text(spec.diagnose)]
    parts += [_heading("Ask"), Text(spec.distinguish)]
    parts += [_heading("Where people met it"), *(Text(f"  {url}") for url in spec.sources)]
    parts += [_heading("Run it"), Text(f"  python cases/{case.id}.py")]
    return Group(*parts)


def _seen(seen: OtherMessage) -> Padding:
    text = Text(seen.message)
    text.append(f"  (torch {seen.torch})" if seen.torch else "", style="dim")
    return Padding(text, (0, 0, 0, 2))


def _control_page(control: Control) -> RenderableType:
    spec = control.spec
    parts: list[RenderableType] = [Text(f"{control.id}: {spec.title}", style="bold")]
    parts += [_heading("People say"), Text(f"  “{spec.claim}”")]
    parts += [_heading("What is true"), Text(spec.truth)]
    parts += [_heading("The proof"), *(Text(f"  {line}") for line in control.source.splitlines())]
    parts += [_heading("Run it"), Text(f"  python controls/{control.id}.py")]
    return Group(*parts)


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def source_diff(case: Case) -> Text:
    """Return the case's source with the fix's changes, and a mark where it raises."""
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
