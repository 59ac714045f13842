"""The recorded answers of a tool, `results/tools/<tool>.toml`.

A record contains nothing that differs between runs: no time, path, id or line number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.score.metrics.credit import Credit, first_module
from broken_convnets.commands.score.metrics.robustness import Robustness
from broken_convnets.commands.score.metrics.scored_result import score_results
from broken_convnets.commands.score.programs.edit import Edit
from broken_convnets.commands.score.programs.hand_out import Sides
from broken_convnets.commands.score.programs.program import ProgramRole
from broken_convnets.commands.score.programs.tool_result import ToolResult
from broken_convnets.commands.score.protocol.messages import (
    Diagnosis,
    Finding,
    Location,
    LocationRole,
    Need,
    Severity,
    Status,
)
from broken_convnets.corpus.source_lines import lines_of
from broken_convnets.util.toml_files import read_toml, write_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from broken_convnets.commands.score.metrics.scored_result import ScoredResult
    from broken_convnets.commands.score.programs.program import CorpusProgram

MESSAGE_LIMIT = 160  # characters


class RecordedAnswer(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A tool's answer for one program: its first finding, or its reason."""

    status: Status
    credit: list[Credit] = []
    kind: str = ""
    rule: str = ""
    severity: Severity | None = None  # None without a finding
    source_line: str = ""  # text of the line that the finding points at
    module: str = ""
    message: str = ""
    edit: Edit | None = None


RecordedAnswers = dict[str, dict[ProgramRole, RecordedAnswer]]  # by entry and role


class RecordedRobustness(Struct, frozen=True, forbid_unknown_fields=True):
    """The robustness on generated variants: how many per program, from which seed."""

    number: int
    seed: int
    robustness: Robustness


class ToolRecord(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A tool's answers on the corpus, and the configuration in which it gave them.

    `misses` lists every broken program that the tool does not flag, and every healthy program
    that it flags.
    """

    tool: str
    version: str
    needs: list[Need]
    argv: list[str]
    torch: str
    misses: list[str]
    programs: RecordedAnswers
    variants: RecordedRobustness | None = None
    only: list[str] = []  # what `--only` selected; empty for the whole corpus
    sides: Sides = Sides.BOTH
    seed: int | None = None  # that drew the sides; None for both sides


def record_path(results: Path, tool: str) -> Path:
    """Return the path of a tool's record in the folder `results`."""
    return results / "tools" / f"{tool}.toml"


def recorded_answers(results: Sequence[ToolResult], needs: Iterable[Need]) -> RecordedAnswers:
    """Return what to record about the original programs, by entry and role."""
    originals = [result for result in results if result.program.variant == 0]
    scored = score_results(originals, needs)
    answers: RecordedAnswers = {}
    for result in sorted(originals, key=lambda result: result.program.key):
        program = result.program
        answer = _recorded_answer(scored[program.key], result.diagnosis)
        answers.setdefault(program.entry, {})[program.role] = answer
    return answers


def _recorded_answer(scored: ScoredResult, diagnosis: Diagnosis) -> RecordedAnswer:
    credit = sorted(scored.credit)
    if not diagnosis.findings:
        return RecordedAnswer(diagnosis.status, credit, message=_short(diagnosis.reason))
    first = [*scored.alarms, *diagnosis.findings][0]  # the metrics use the first alarm
    lines = scored.program.source.splitlines()
    number = scored.line or 0
    return RecordedAnswer(
        status=diagnosis.status,
        credit=credit,
        kind=first.kind,
        rule=first.rule,
        severity=first.severity,
        source_line=lines[number - 1].strip() if 0 < number <= len(lines) else "",
        module=first_module(scored.alarms) or "",
        message=_short(first.message),
        edit=scored.edit,
    )


def recorded_results(record: ToolRecord, programs: Iterable[CorpusProgram]) -> list[ToolResult]:
    """Return the results in a record about `programs`, for the metrics; without run times."""
    results = []
    for program in programs:
        answer = record.programs.get(program.entry, {}).get(program.role)
        if answer is not None and program.variant == 0:
            fix_works = True if Credit.FIXED in answer.credit else None
            results.append(
                ToolResult(program, _diagnosis(answer, program), 0.0, fix_works, answer.edit)
            )
    return results


def _diagnosis(answer: RecordedAnswer, program: CorpusProgram) -> Diagnosis:
    if answer.severity is None:
        return Diagnosis(answer.status, reason=answer.message)
    finding = Finding(
        answer.message,
        kind=answer.kind,
        severity=answer.severity,
        rule=answer.rule,
        module=answer.module or None,
        location=_location(answer, program),
    )
    return Diagnosis(answer.status, [finding])


def _location(answer: RecordedAnswer, program: CorpusProgram) -> Location | None:
    """Return the recorded line. If several lines have its text, the credits select one."""
    lines = lines_of(answer.source_line, program.source)
    if program.truth and lines:
        for credit, correct in (
            (Credit.LOCATED, program.truth.cause),
            (Credit.SYMPTOM_LOCATED, program.truth.symptom),
        ):
            matching = lines & correct if credit in answer.credit else lines - correct
            lines = matching or lines
    return Location(min(lines), LocationRole.SYMPTOM) if lines else None


def misses(answers: RecordedAnswers) -> list[str]:
    """Return the programs that a tool gets wrong, as "<entry> <role>"."""
    wanted = {
        ProgramRole.BROKEN: Credit.DETECTED,
        ProgramRole.FIXED: Credit.SILENT_ON_FIXED,
        ProgramRole.CONTROL: Credit.SILENT_ON_FIXED,
    }
    return [
        f"{entry} {role}"
        for entry, by_role in sorted(answers.items())
        for role, answer in sorted(by_role.items())
        if wanted[role] not in answer.credit
    ]


def read_record(path: Path) -> ToolRecord | None:
    """Return the record in a file, or None if there is no file. Raises RecordError if invalid."""
    try:
        return read_toml(
            path, ToolRecord, "delete the file, or record the tool again with --update"
        )
    except FileNotFoundError:
        return None


def write_record(path: Path, record: ToolRecord) -> None:
    """Write a record; the same record results in the same bytes."""
    write_toml(path, record)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MESSAGE_LIMIT else line[: MESSAGE_LIMIT - 1] + "…"
