"""Print a diagnosis: the best finding first, in a few lines each; then what was checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.diagnosis import Diagnosis
    from broken_convnets.commands.diagnose.findings import Finding, Location
    from broken_convnets.commands.diagnose.repair import Fix

SHOWN_CHECKS = 8  # properties that hold, before "and n more"

Line = tuple[str, str]  # a text and its style


def report_lines(diagnosis: Diagnosis) -> Iterator[Line]:
    """Yield the lines of the whole report, each with its style."""
    for number, finding in enumerate(diagnosis.findings):
        if number:
            yield "", ""
        yield from finding_lines(diagnosis, finding)
    if not diagnosis.findings:
        yield "nothing found", "bold green"
    yield from _checked_lines(diagnosis)


def finding_lines(diagnosis: Diagnosis, finding: Finding) -> Iterator[Line]:
    """Yield the lines of one finding: what, evidence, cause, fix, where to read on."""
    place = finding.cause or finding.symptom
    where = f"{_shown(place)}  " if place else ""
    laws = f" (violates {', '.join(finding.violates)})" if finding.violates else ""
    style = "bold red" if finding.severity == "error" else "bold yellow"
    yield f"{where}{finding.severity}: {finding.message}{laws}", style
    yield f"  {finding.evidence}", ""
    if finding.symptom and finding.symptom != place:
        yield f"  it shows at {_shown(finding.symptom)}", ""
    fixes = diagnosis.fixes_of(finding)
    for fix in fixes:
        yield from _fix_lines(diagnosis, fix, alone=len(fixes) == 1)
    if finding.cases:
        yield f"  read on: broken-convnets show {finding.cases[0].rpartition('/')[2]}", "cyan"


def _fix_lines(diagnosis: Diagnosis, fix: Fix, *, alone: bool) -> Iterator[Line]:
    name = "fix" if alone else "one fix"
    note = f": {fix.note}" if fix.note else ""
    if fix.verified:
        how = "verified: with it the program runs, this finding is gone, and nothing new appears"
        yield f"  {name}{note} ({how})", "green"
    else:
        yield f"  {name}{note} (not verified)", "yellow"
    for line in diagnosis.diff_of(fix).splitlines():
        if line.startswith(("---", "+++")):
            continue
        style = "green" if line.startswith("+") else "red" if line.startswith("-") else ""
        yield f"    {line}", style


def _checked_lines(diagnosis: Diagnosis) -> Iterator[Line]:
    if diagnosis.checked:
        shown = diagnosis.checked[:SHOWN_CHECKS]
        more = len(diagnosis.checked) - len(shown)
        yield "", ""
        yield "checked, and found in order:", "dim"
        for text in shown:
            yield f"  {text}", "dim"
        if more:
            yield f"  and {more} more (--json lists them)", "dim"
    if diagnosis.not_checked:
        yield "not checked:", "dim"
        for one in diagnosis.not_checked:
            yield f"  {one.what} ({one.why})", "dim"


def _shown(location: Location) -> str:
    """Return a location with a path from the working directory, if the file is inside it."""
    path = Path(location.file)
    here = Path.cwd()
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    return f"{shown}:{location.line}"
