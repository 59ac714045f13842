"""What a learner sees: the failure or the violations, hints, the layer trace, and the solution."""

from __future__ import annotations

import ast
import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from broken_convnets.commands.learn.ordering import alias
from broken_convnets.commands.learn.progress import State
from broken_convnets.sandbox.job import JobStatus

if TYPE_CHECKING:
    from broken_convnets.commands.learn.grading_result import GradingResult, Violation
    from broken_convnets.commands.learn.progress import Progress
    from broken_convnets.corpus.entries import Case

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
PRINTED_LINES = 12
KEYS = {
    "h": "next hint",
    "d": "layer inputs and outputs",
    "l": "which laws the program violates",
    "s": "our solution (asks first)",
    "r": "run again and clear the screen",
    "x": "restore the broken program (asks first)",
    "n": "next program",
    "p": "previous program",
    "q": "quit; the next session resumes here",
    "?": "this help",
}
KEY_LINE = "h hint  d layers  l laws  s solution  x reset  n next  p previous  q quit  ? help"


def plain(text: str, style: str = "") -> Text:
    """Return the text of a program without control characters."""
    return Text(CONTROL.sub("", text), style=style)


def short_path(path: Path) -> Path:
    """Return a path relative to the working directory, if it is below it."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else Path(relative)


def welcome(path: Path) -> RenderableType:
    """Return what to do, for a learner who has not yet changed a program."""
    steps = (
        f"1. Open {path} in an editor.",
        "2. Find its only mistake and fix it. What happens when it runs is shown below.",
        "3. Save the file. `learn` runs it and says whether it is fixed.",
    )
    head = Text("Welcome. Every program here has one mistake, and you fix it:", style="bold")
    return Group(head, *map(plain, steps), Text("Press h for a hint, n for another program.\n"))


def heading(case: Case, path: Path, position: str = "") -> RenderableType:
    """Return the top lines: the program, the learner's position, what the network is for."""
    line = Text(alias(case), style="bold")
    line.append(f"   level {case.spec.level}   {position}".rstrip(), "dim")
    return Group(line, plain(_intent(case)), Text(f"Fix {path}\n", style="cyan"))


def _intent(case: Case) -> str:
    return ast.get_docstring(ast.parse(case.broken)) or ""


def result(graded: GradingResult) -> RenderableType:
    """Return the outcome of a grading."""
    parts: list[RenderableType] = []
    if graded.printed:
        parts += [Text("Output of the program", style="bold"), _indented(_cut(graded.printed))]
    if graded.failure:
        text = plain(_failure(graded), "red")
        text.no_wrap, text.overflow = True, "ignore"  # the terminal wraps it, lines stay lines
        parts.append(text)
    elif graded.violations:
        parts.append(Text("Nothing is raised, but the program", style="yellow"))
        parts += [_violation(violation) for violation in graded.violations]
    else:
        parts += _solved(graded)
    if graded.restored:
        parts.append(Text(f"\n{_restored(graded.restored)}", style="yellow"))
    return Group(*parts)


def _failure(graded: GradingResult) -> str:
    """Return the traceback, which ends with what is wrong unless the program was stopped."""
    if graded.traceback and not graded.failure.startswith(JobStatus.TIMEOUT):
        return graded.traceback
    return f"{graded.traceback}\n{graded.failure}".lstrip()


def first_look(graded: GradingResult) -> RenderableType:
    """Return the outcome of an unchanged program; what it violates would reveal the mistake."""
    if graded.failure or not graded.violations:
        return result(graded)
    asks = "Nothing is raised, but something is wrong. What would you check?"
    return Text(f"{asks}\nPress l to see which laws the program violates.", style="yellow")


def laws(graded: GradingResult) -> RenderableType:
    """Return what the program violates."""
    if not graded.violations:
        return Text("\nNo violation was found.")
    return Group(Text("\nThe program", style="bold"), *map(_violation, graded.violations))


def _cut(printed: str) -> str:
    lines = printed.splitlines()
    left = len(lines) - PRINTED_LINES
    return "\n".join([*lines[:PRINTED_LINES], *([f"... {left} more lines"] if left > 0 else [])])


def _solved(graded: GradingResult) -> list[RenderableType]:
    parts: list[RenderableType] = [
        Text("Solved: the program obeys every law with every seed.", style="bold green")
    ]
    if graded.advice:
        parts.append(Text("\nNot part of this task, but worth knowing: the program", "yellow"))
        parts += [_violation(violation) for violation in graded.advice]
    return parts


def _restored(names: list[str]) -> str:
    listed = ", ".join(f"`{name}`" for name in names)
    return (
        f"Graded with the original {listed}: the mistake is elsewhere, so your change is ignored."
    )


def _violation(violation: Violation) -> RenderableType:
    name = Text(f"violates {violation.law}: ", style="bold")
    name.append(f"{violation.violation}.", style="not bold")
    return Group(name, _indented(f"Observed: {violation.note}."))


def hints(case: Case, shown: int, *, only_last: bool = False) -> RenderableType:
    """Return the hints that the learner has requested, or only the last of them."""
    total = len(case.spec.hints)
    lines = [
        Text(f"\nHint {number} of {total}: {text}")
        for number, text in enumerate(case.spec.hints[:shown], start=1)
    ]
    return Group(*(lines[-1:] if only_last else lines))


def layers(graded: GradingResult) -> RenderableType:
    """Return the layer trace of the last run."""
    if not graded.layers:
        return Text("\nNo layer was called.")
    return Group(Text("\nLayer trace", style="bold"), _indented("\n".join(graded.layers)))


def solution(case: Case) -> RenderableType:
    """Return what the mistake was, our fix, and how to find the mistake."""
    spec = case.spec
    parts: list[RenderableType] = [Text(f"\n{case.id}: {spec.title}", style="bold")]
    for title, body in (
        ("What it means", Text(spec.why)),
        ("The fix", _diff(case)),
        ("How to find it next time", Text(spec.diagnose)),
        ("How to tell it apart", Text(spec.distinguish)),
    ):
        parts += [Text(f"\n{title}", style="bold"), body]
    return Group(*parts)


def _diff(case: Case) -> Text:
    styles = {"+": "green", "-": "red", "@": "dim"}
    lines = difflib.unified_diff(
        case.broken.splitlines(), case.fixed.splitlines(), n=2, lineterm=""
    )
    text = Text()
    for line in list(lines)[2:]:  # the first two lines name files
        shown = "  ..." if line.startswith("@@") else line
        text.append(f"{shown}\n", style=styles.get(line[:1], ""))
    text.rstrip()
    return text


def help_text() -> RenderableType:
    """Return what each key does."""
    keys = Table(box=None, show_header=False, pad_edge=False)
    for key, meaning in KEYS.items():
        keys.add_row(Text(key, style="bold"), meaning)
    return Group(Text("\nSave the file to grade it again. Keys:"), Padding(keys, (0, 0, 0, 2)))


def table(cases: list[Case], progress: Progress) -> Table:
    """Return a row per case, which shows its id and title once it is solved."""
    rows = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("program", "level", "state", "attempts", "hints", "description"):
        rows.add_column(name, no_wrap=name != "description")
    styles = {State.SOLVED: "green", State.STARTED: "yellow", State.NEW: ""}
    for case, row in zip(cases, progress.report([case.id for case in cases]), strict=True):
        solved = row["state"] is State.SOLVED
        rows.add_row(
            alias(case),
            str(case.spec.level),
            Text(row["state"], styles[row["state"]]),
            str(row["attempts"]),
            str(row["hints"]),
            Text(f"{case.id}: {case.spec.title}" if solved else _intent(case)),
        )
    return rows


def _indented(text: str) -> RenderableType:
    return Padding(plain(text), (0, 0, 0, 2))
