"""Print a diagnosis: the best finding first, in a few lines each; then what was checked."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.shown import folded, shown_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broken_convnets.commands.diagnose.diagnosis import Diagnosis
    from broken_convnets.commands.diagnose.findings import Finding, Location, NotChecked
    from broken_convnets.commands.diagnose.registry import Rule
    from broken_convnets.commands.diagnose.repair import Fix
    from broken_convnets.observe.failure import Failure

SHOWN_CHECKS = 8  # properties that hold, before "and n more"
SHOWN_UNCHECKED = 3  # properties with the same reason, before their number alone
COLORS = {"+": "green", "-": "red"}  # of the lines of a diff

Line = tuple[str, str]  # a text and its style


def report_lines(
    diagnosis: Diagnosis, *, traceback: bool = True, whole_traceback: bool = False
) -> Iterator[Line]:
    """Yield the lines of the whole report, each with its style."""
    if diagnosis.table:
        yield from diagnosis.table
        yield "", ""
    if diagnosis.failure:
        yield from _failure_lines(diagnosis.failure)
    for number, finding in enumerate(diagnosis.findings):
        if number or diagnosis.failure:
            yield "", ""
        yield from finding_lines(diagnosis, finding)
    if not diagnosis.findings:
        yield from _nothing_found(diagnosis)
    if diagnosis.failure and traceback:
        text = diagnosis.failure.traceback
        yield "", ""
        yield (text if whole_traceback else folded(text)).rstrip(), ""
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
        yield f"  the failure shows at {_shown(finding.symptom)}", ""
    fixes = diagnosis.fixes_of(finding)
    if len(fixes) > 1:
        yield f"  {len(fixes)} different fixes, the most likely one first:", ""
    for fix in fixes:
        yield from _fix_lines(diagnosis, fix, known=place.file if place else "")
    if finding.cases:
        yield f"  read on: broken-convnets show {finding.cases[0].rpartition('/')[2]}", "cyan"


def rule_lines(rules: Iterable[Rule]) -> Iterator[Line]:
    """Yield what each rule checks, and when it reports nothing, by family."""
    ordered = sorted(rules, key=lambda one: (one.family, one.name))
    for family, members in groupby(ordered, key=attrgetter("family")):
        yield family, "bold"
        for one in members:
            yield f"  {one.name}", "cyan"
            yield f"    checks that {one.holds}", ""
            yield f"    reports nothing {one.stays_quiet}", ""


def _failure_lines(failure: Failure) -> Iterator[Line]:
    place = f"{shown_path(failure.file)}:{failure.line}  " if failure.file and failure.line else ""
    first = failure.message.splitlines()[0] if failure.message else ""
    yield f"{place}{failure.type}{': ' if first else ''}{first}", "bold red"
    if failure.expression:
        yield f"  at `{failure.expression}`", ""


def _nothing_found(diagnosis: Diagnosis) -> Iterator[Line]:
    if diagnosis.failure:
        yield (
            "  no rule recognizes the cause; --table shows the inputs and output of each layer",
            "",
        )
        if diagnosis.similar:
            yield "  similar cases:", ""
        for match in diagnosis.similar:
            name = match.id.rpartition("/")[2]
            yield f"    {match.title}: broken-convnets show {name}", "cyan"
    else:
        yield "nothing found", "bold green"


def _fix_lines(diagnosis: Diagnosis, fix: Fix, known: str) -> Iterator[Line]:
    """Yield a fix as a diff; the name of a file is left out if it is the `known` one alone."""
    note = f": {fix.note}" if fix.note else ""
    if fix.verified:
        how = "verified: with it the program runs, this finding is gone, and nothing new appears"
        yield f"  fix{note} ({how})", "green"
    else:
        yield f"  fix{note} (not verified)", "yellow"
    for line in diagnosis.diff_of(fix, context=1).splitlines():
        if line.startswith("+++ b/") and list(fix.patch) != [known]:
            yield f"    {line.removeprefix('+++ b/')}", "bold"
        elif not line.startswith(("---", "+++", "@@", "\\")):
            yield f"    {line}".rstrip(), COLORS.get(line[:1], "")


def _checked_lines(diagnosis: Diagnosis) -> Iterator[Line]:
    if diagnosis.checked:
        shown = diagnosis.checked[:SHOWN_CHECKS]
        more = len(diagnosis.checked) - len(shown)
        yield "", ""
        yield "checked, no violation found:", "dim"
        for text in shown:
            yield f"  {text}", "dim"
        if more:
            yield f"  and {more} more (--json lists them)", "dim"
    if diagnosis.not_checked:
        yield "not checked:", "dim"
        for why, properties in _by_reason(diagnosis.not_checked).items():
            many = len(properties) > SHOWN_UNCHECKED
            for what in [f"{len(properties)} properties"] if many else properties:
                yield f"  {what} ({why})", "dim"


def _by_reason(not_checked: Iterable[NotChecked]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for one in not_checked:
        reasons.setdefault(one.why, []).append(one.what)
    return reasons


def _shown(location: Location) -> str:
    return f"{shown_path(location.file)}:{location.line}"
