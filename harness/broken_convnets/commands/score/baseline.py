"""What a tool said of every program, as `results/tools/<tool>.toml` keeps it, and what it lost.

Nothing in it varies from run to run: no time, path, id or line number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.score.answers import read as answered
from broken_convnets.commands.score.credit import Credit, first_module
from broken_convnets.commands.score.programs import Side
from broken_convnets.commands.score.protocol import (
    Diagnosis,
    Finding,
    Location,
    Need,
    Role,
    Severity,
    Status,
)
from broken_convnets.commands.score.result import Result
from broken_convnets.commands.score.robustness import Robustness
from broken_convnets.corpus.source_lines import lines_of
from broken_convnets.util.toml_files import read_toml, write_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from broken_convnets.commands.score.answers import Answer
    from broken_convnets.commands.score.programs import Program

SAID_LIMIT = 160  # characters of a message that are kept


class Said(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a tool said of one program: its first finding, or its reason."""

    status: Status
    credit: list[Credit] = []
    kind: str = ""
    rule: str = ""
    severity: Severity | None = None  # None where there is no finding
    source_line: str = ""  # text of the line that it points at
    module: str = ""
    message: str = ""


Programs = dict[str, dict[Side, Said]]  # by entry and side


class OnVariants(Struct, frozen=True, forbid_unknown_fields=True):
    """How what a tool says held on fresh variants: how many of each program, from which seed."""

    number: int
    seed: int
    held: Robustness


class ToolBook(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a tool said of the corpus, and the configuration in which it did.

    `misses` names each broken program that it does not flag, and each healthy one that it
    does: what is expected of it, until it gets better.
    """

    tool: str
    version: str
    needs: list[Need]
    argv: list[str]
    torch: str
    misses: list[str]
    programs: Programs
    variants: OnVariants | None = None


class Change(Struct, frozen=True):
    """One program of which a tool now says something better or worse than recorded."""

    program: str
    what: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.program}: {self.what}"


def programs_said(results: Sequence[Result], needs: Iterable[Need]) -> Programs:
    """Return what is kept of the corpus' own programs, by entry and side; variants are not."""
    own = [result for result in results if result.program.variant == 0]
    answers = answered(own, needs)
    found: Programs = {}
    for result in sorted(own, key=lambda result: result.program.key):
        one = _said(answers[result.program.key], result.diagnosis)
        found.setdefault(result.program.entry, {})[result.program.side] = one
    return found


def _said(answer: Answer, diagnosis: Diagnosis) -> Said:
    credit = sorted(answer.credit)
    if not diagnosis.findings:
        return Said(diagnosis.status, credit, message=_short(diagnosis.reason))
    first = [*answer.alarms, *diagnosis.findings][0]  # a score starts from the first alarm
    lines = answer.program.source.splitlines()
    number = answer.line or 0
    return Said(
        status=diagnosis.status,
        credit=credit,
        kind=first.kind,
        rule=first.rule,
        severity=first.severity,
        source_line=lines[number - 1].strip() if 0 < number <= len(lines) else "",
        module=first_module(answer.alarms) or "",
        message=_short(first.message),
    )


def results_of(book: ToolBook, programs: Iterable[Program]) -> list[Result]:
    """Return the results that a book keeps of some programs, for a score; without any time."""
    found = []
    for program in programs:
        one = book.programs.get(program.entry, {}).get(program.side)
        if one is not None and program.variant == 0:
            repaired = True if Credit.REPAIRS in one.credit else None
            found.append(Result(program, _diagnosis(one, program), 0.0, repaired))
    return found


def _diagnosis(one: Said, program: Program) -> Diagnosis:
    if one.severity is None:
        return Diagnosis(one.status, reason=one.message)
    finding = Finding(
        one.message,
        kind=one.kind,
        severity=one.severity,
        rule=one.rule,
        module=one.module or None,
        location=_location(one, program),
    )
    return Diagnosis(one.status, [finding])


def _location(one: Said, program: Program) -> Location | None:
    """Return the line that was meant, where several have the same text."""
    lines = lines_of(one.source_line, program.source)
    if program.truth and lines:
        for credit, right in (
            (Credit.PLACES, program.truth.cause),
            (Credit.SYMPTOM, program.truth.symptom),
        ):
            lines = (lines & right or lines) if credit in one.credit else lines - right or lines
    return Location(min(lines), Role.SYMPTOM) if lines else None


def misses(programs: Programs) -> list[str]:
    """Return the programs that a tool gets wrong, as `<entry> <side>`."""
    wanted = {Side.BROKEN: Credit.FLAGS, Side.FIXED: Credit.QUIET, Side.CONTROL: Credit.QUIET}
    return [
        f"{entry} {side}"
        for entry, sides in sorted(programs.items())
        for side, one in sorted(sides.items())
        if wanted[side] not in one.credit
    ]


def lost(then: ToolBook, now: Programs) -> list[Change]:
    """Return what a tool knew of programs that were asked about, and knows no longer."""
    return _changes(then.programs, now, "no longer")


def gained(then: ToolBook, now: Programs) -> list[Change]:
    """Return what a tool knows of programs, and did not."""
    return _changes(now, then.programs, "now")


def stale(then: ToolBook, now: Programs) -> list[str]:
    """Return the expected misses that are none any more, among programs asked about."""
    asked = {f"{entry} {side}" for entry, sides in now.items() for side in sides}
    return sorted((set(then.misses) & asked) - set(misses(now)))


def _changes(these: Programs, those: Programs, word: str) -> list[Change]:
    return [
        Change(f"{entry} {side}", f"{word} {credit.meaning}")
        for entry, sides in sorted(these.items())
        for side, one in sorted(sides.items())
        if side in those.get(entry, {})
        for credit in sorted(set(one.credit) - set(those[entry][side].credit))
    ]


def read(path: Path) -> ToolBook | None:
    """Return a tool's book; None where there is none. Raises RecordError for a bad one."""
    try:
        return read_toml(path, ToolBook, "delete it, or record again with --update")
    except FileNotFoundError:
        return None


def write(path: Path, book: ToolBook) -> None:
    """Write a book, in one step."""
    write_toml(path, book)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SAID_LIMIT else line[: SAID_LIMIT - 1] + "…"
