"""The JSON document of a diagnosis, and its JSON Schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from broken_convnets.commands.diagnose.findings import Location, Severity
from broken_convnets.commands.diagnose.shown import shown_path
from broken_convnets.util.json_schema import definitions
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.diagnose.diagnosis import Diagnosis
    from broken_convnets.commands.diagnose.findings import Finding
    from broken_convnets.commands.diagnose.repair import Fix
    from broken_convnets.observe.failure import Failure

SCHEMA = 1


class FixDocument(Struct, frozen=True):
    """A change as a unified diff; `verified` if the program was run with it and accepted."""

    diff: str
    verified: bool
    note: str


class FindingDocument(Struct, frozen=True):
    """One finding; see `findings.py` for the meaning of its fields."""

    severity: Severity
    kind: str
    violates: list[Law]
    message: str
    evidence: str
    cause: Location | None
    symptom: Location | None
    module: str
    fixes: list[FixDocument]
    cases: list[str]


class NotCheckedDocument(Struct, frozen=True):
    """A property that could not be checked, and why."""

    what: str
    why: str


class ErrorDocument(Struct, frozen=True):
    """The exception that ended the program, and the innermost line of the user's own code."""

    type: str
    message: str
    location: Location | None
    expression: str
    traceback: str


class SimilarDocument(Struct, frozen=True):
    """A case whose recorded message is like the one of the exception; `score` is 0 to 1."""

    id: str
    title: str
    score: float


class DiagnosisDocument(Struct, frozen=True):
    """The whole document. `exit_code` is that of the command.

    `error` is null if the program raised nothing. `similar` are cases with a similar
    exception; empty if there is a finding.
    Paths are relative to the working directory if the file is inside it.
    """

    schema: int
    command: list[str]
    exit_code: int
    error: ErrorDocument | None
    findings: list[FindingDocument]
    checked: list[str]
    not_checked: list[NotCheckedDocument]
    similar: list[SimilarDocument]


def document(diagnosis: Diagnosis, command: Sequence[str]) -> DiagnosisDocument:
    """Return the diagnosis of the program of a command line as a document."""
    return DiagnosisDocument(
        schema=SCHEMA,
        command=list(command),
        exit_code=diagnosis.exit_code,
        error=_error(diagnosis.failure) if diagnosis.failure else None,
        findings=[_finding(diagnosis, finding) for finding in diagnosis.findings],
        checked=diagnosis.checked,
        not_checked=[NotCheckedDocument(one.what, one.why) for one in diagnosis.not_checked],
        similar=[SimilarDocument(one.id, one.title, one.score) for one in diagnosis.similar],
    )


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the document."""
    return {"$ref": "#/$defs/DiagnosisDocument", "$defs": definitions(DiagnosisDocument)}


def _finding(diagnosis: Diagnosis, finding: Finding) -> FindingDocument:
    return FindingDocument(
        severity=finding.severity,
        kind=finding.kind,
        violates=list(finding.violates),
        message=finding.message,
        evidence=finding.evidence,
        cause=_shown(finding.cause),
        symptom=_shown(finding.symptom),
        module=finding.module,
        fixes=[_fix(diagnosis, fix) for fix in diagnosis.fixes_of(finding)],
        cases=list(finding.cases),
    )


def _error(failure: Failure) -> ErrorDocument:
    at = Location(failure.file, failure.line) if failure.file and failure.line else None
    return ErrorDocument(
        type=failure.type,
        message=failure.message,
        location=_shown(at),
        expression=failure.expression,
        traceback=failure.traceback,
    )


def _shown(location: Location | None) -> Location | None:
    return Location(shown_path(location.file), location.line) if location else None


def _fix(diagnosis: Diagnosis, fix: Fix) -> FixDocument:
    return FixDocument(diagnosis.diff_of(fix), fix.verified, fix.note)
