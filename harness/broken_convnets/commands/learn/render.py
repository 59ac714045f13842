"""What a learner sees: the failure or the broken laws, hints, layers, and the fix at the end."""

from __future__ import annotations

import ast
import difflib
import re
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from broken_convnets.commands.learn.ordering import alias
from broken_convnets.commands.learn.progress import State

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.commands.learn.grading import Breach, Result
    from broken_convnets.commands.learn.progress import Progress
    from broken_convnets.corpus.entries import Case

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
PRINTED_LINES = 12
KEYS = {
    "h": "one more hint",
    "d": "what each layer took and gave",
    "s": "our solution (asks first)",
    "r": "run again, and clear the screen",
    "n": "next",
    "p": "previous",
    "q": "quit; the next session begins here",
    "?": "this help",
}
SHORT = "h hint  d layers  s solution  n next  p previous  q quit  ? help"


def plain(text: str, style: str = "") -> Text:
    """Return text of a program as it is, without what could steer the terminal."""
    return Text(CONTROL.sub("", text), style=style)


def heading(case: Case, path: Path, where: str = "") -> RenderableType:
    """Return the lines on top: which program, how far the learner is, what it is for."""
    intent = ast.get_docstring(ast.parse(case.broken)) or ""
    line = Text(alias(case), style="bold")
    line.append(f"   level {case.spec.level}   {where}".rstrip(), "dim")
    return Group(line, plain(intent), Text(f"Mend {path}\n", style="cyan"))


def verdict(result: Result) -> RenderableType:
    """Return what became of a program."""
    parts: list[RenderableType] = []
    if result.printed:
        lines = result.printed.splitlines()
        left = (
            [f"... {len(lines) - PRINTED_LINES} more lines"] if len(lines) > PRINTED_LINES else []
        )
        parts += [
            Text("It prints", style="bold"),
            _indented("\n".join([*lines[:PRINTED_LINES], *left])),
        ]
    if result.failure:
        text = plain(result.traceback or result.failure, "red")
        text.no_wrap, text.overflow = True, "ignore"  # the terminal folds it, lines stay lines
        parts.append(text)
    elif result.breaches:
        parts.append(Text("Nothing is raised, but it does not do what it should:", style="yellow"))
        parts += [_breach(breach) for breach in result.breaches]
    else:
        parts.append(Text("Solved: every law holds, under every seed.", style="bold green"))
        if result.advice:
            parts.append(Text("\nWorth knowing, though it is no part of this task:", "yellow"))
            parts += [_breach(breach) for breach in result.advice]
    if result.restored:
        parts.append(Text(restored(result.restored), style="yellow"))
    return Group(*parts)


def restored(names: list[str]) -> str:
    """Say which definitions were judged as they are in the case."""
    listed = ", ".join(f"`{name}`" for name in names)
    return (
        f"{listed} differs from the case. The mistake is not there, so the "
        "original was used to judge."
    )


def _breach(breach: Breach) -> RenderableType:
    name = Text(f"\n{breach.law}: ", style="bold").append(breach.promise, style="not bold")
    return Group(name, _indented(breach.note))


def hints(case: Case, taken: int, *, only_last: bool = False) -> RenderableType:
    """Return the hints taken so far, or the newest alone."""
    total = len(case.spec.hints)
    lines = [
        Text(f"\nHint {number} of {total}: {text}")
        for number, text in enumerate(case.spec.hints[:taken], start=1)
    ]
    return Group(*(lines[-1:] if only_last else lines))


def layers(result: Result) -> RenderableType:
    """Return the shape trace of the last run."""
    if not result.layers:
        return Text("\nNo layer was called.")
    lines = "\n".join(result.layers)
    return Group(Text("\nWhat each layer took and gave", style="bold"), _indented(lines))


def solution(case: Case) -> RenderableType:
    """Return our fix, what it mends, and why the failure came."""
    spec = case.spec
    parts: list[RenderableType] = [Text(f"\n{case.id}: {spec.title}", style="bold"), _diff(case)]
    texts = ("What it means", spec.why), ("How to find it next time", spec.diagnose)
    for title, text in texts:
        parts += [Text(f"\n{title}", style="bold"), Text(text)]
    return Group(*parts)


def _diff(case: Case) -> Text:
    styles = {"+": "green", "-": "red", "@": "dim"}
    lines = difflib.unified_diff(
        case.broken.splitlines(), case.fixed.splitlines(), n=2, lineterm=""
    )
    text = Text()
    for line in list(lines)[2:]:  # the first two name files
        shown = "  ..." if line.startswith("@@") else line
        text.append(f"{shown}\n", style=styles.get(line[:1], ""))
    text.rstrip()
    return text


def help_text() -> RenderableType:
    """Return what each key does."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for key, meaning in KEYS.items():
        table.add_row(Text(key, style="bold"), meaning)
    return Group(
        Text("\nSave the file, and it is judged again. Keys:"), Padding(table, (0, 0, 0, 2))
    )


def table(cases: list[Case], done: Progress) -> Table:
    """Return a row per case: its alias until it is solved, then its name."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("program", "level", "state", "attempts", "hints", "what it is"):
        made.add_column(name, no_wrap=name != "what it is")
    styles = {State.SOLVED: "green", State.STARTED: "yellow", State.NEW: ""}
    for case, row in zip(cases, done.report([case.id for case in cases]), strict=True):
        solved = row["state"] is State.SOLVED
        intent = ast.get_docstring(ast.parse(case.broken)) or ""
        made.add_row(
            alias(case),
            str(case.spec.level),
            Text(row["state"], styles[row["state"]]),
            str(row["attempts"]),
            str(row["hints"]),
            Text(f"{case.id}: {case.spec.title}" if solved else intent),
        )
    return made


def _indented(text: str) -> RenderableType:
    return Padding(plain(text), (0, 0, 0, 2))
