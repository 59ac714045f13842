"""Read a SARIF log as diagnoses.

A result belongs to the program whose file it names. Level "error" makes an alarm. A program
that the log names but has no result for is clean.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from broken_convnets.commands.score.programs.workspace import file_name
from broken_convnets.commands.score.protocol.messages import Diagnosis, Severity, Status
from broken_convnets.commands.score.protocol.validation import (
    ProtocolError,
    check_kinds,
    error_diagnosis,
    has_error,
    validated,
)
from broken_convnets.commands.score.sarif.log import load
from broken_convnets.commands.score.sarif.run_reader import RunReader
from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from broken_convnets.commands.score.programs.program import CorpusProgram

ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


def read_sarif(
    path: Path,
    programs: Sequence[CorpusProgram],
    kinds: Collection[str],
    kinds_of_rules: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Diagnosis]:
    """Return the diagnosis of each program, by id; findings may name only `kinds`.

    `kinds_of_rules` maps rule ids to kinds, for results without `properties.kind`.
    Raises UsageError if the file is not a SARIF 2.1.0 log, names none of the programs, or names
    an unknown kind.
    """
    files = {file_name(program.id): program.id for program in programs}
    readers = (RunReader(run, files, kinds_of_rules) for run in load(path).runs or ())
    runs = [run for run in readers if run.named or run.failed]
    named = {name for run in runs for name in run.named}
    if not named:
        example = file_name(programs[0].id) if programs else file_name("…")
        message = (
            f"{path} names none of the programs, whose files are named like {example}: run the "
            "tool on the output of `broken-convnets programs`, pass its --key, and list "
            "the files that the tool read as artifacts of the log"
        )
        raise UsageError(message)
    diagnoses = {program.id: _diagnosis(program, runs, named) for program in programs}
    for program in programs:
        try:
            check_kinds(diagnoses[program.id], kinds)
        except ProtocolError as error:
            message = f"{path}, {file_name(program.id)}, properties.kind: {error}"
            raise UsageError(message) from None
    return diagnoses


def _diagnosis(program: CorpusProgram, runs: list[RunReader], named: set[str]) -> Diagnosis:
    failure = next((run.failure(program) for run in runs if run.failed_on(program, named)), None)
    if failure is not None:
        return error_diagnosis(failure)
    results = [(run, result) for run in runs for result in run.results.get(program.id, [])]
    findings = [
        (ORDER[finding.severity], -result.rank, finding)
        for run, result in results
        if (finding := run.finding(result, program))
    ]
    ordered = [finding for *_, finding in sorted(findings, key=lambda item: item[:2])]
    declined = [
        run.text(result.message, None) for run, result in results if result.kind == "notApplicable"
    ]
    if has_error(ordered):
        return validated(Diagnosis(Status.FLAGGED, ordered))
    if declined:
        return validated(Diagnosis(Status.UNSUPPORTED, ordered, declined[0]))
    return validated(Diagnosis(Status.CLEAN, ordered))
