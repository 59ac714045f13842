"""Check what a tool returns: the types, the limits, and whether it contradicts itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.score.protocol.messages import (
    Diagnosis,
    Finding,
    Severity,
    Status,
)

if TYPE_CHECKING:
    from collections.abc import Collection

TEXT_LIMIT = 4_000  # characters; a longer message is cut
FINDINGS_LIMIT = 50  # per program; later findings are dropped


class ProtocolError(Exception):
    """An invalid answer of a tool; the message says what is wrong with it."""


def decode_diagnosis(answer: bytes) -> Diagnosis:
    """Return the diagnosis in `answer`, cut to the limits. Raises ProtocolError if invalid."""
    try:
        diagnosis = msgspec.json.decode(answer, type=Diagnosis)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"invalid diagnosis: {error}"
        raise ProtocolError(message) from None
    return validated(diagnosis)


def validated(diagnosis: Diagnosis) -> Diagnosis:
    """Return `diagnosis` cut to the limits. Raises ProtocolError if it contradicts itself."""
    alarm = has_error(diagnosis.findings)
    if diagnosis.status is Status.FLAGGED and not alarm:
        message = "invalid diagnosis: status is 'flagged' but no finding has severity 'error'"
        raise ProtocolError(message)
    if diagnosis.status is not Status.FLAGGED and alarm:
        message = (
            f"invalid diagnosis: status is '{diagnosis.status}' but a finding has severity 'error'"
        )
        raise ProtocolError(message)
    findings = [
        msgspec.structs.replace(finding, message=finding.message[:TEXT_LIMIT])
        for finding in diagnosis.findings[:FINDINGS_LIMIT]
    ]
    reason = diagnosis.reason[:TEXT_LIMIT]
    return msgspec.structs.replace(diagnosis, findings=findings, reason=reason)


def check_kinds(diagnosis: Diagnosis, known: Collection[str]) -> None:
    """Raise ProtocolError if a finding names a kind that is not in `known`."""
    for finding in diagnosis.findings:
        if finding.kind not in known:
            message = (
                f"invalid diagnosis: unknown kind {finding.kind[:80]!r}; use a kind that "
                "docs/coverage.md lists, its topic (the part before the slash), or 'other'"
            )
            raise ProtocolError(message)


def diagnosis_of(findings: list[Finding]) -> Diagnosis:
    """Return the diagnosis with these findings: flagged if one of them is an error."""
    return Diagnosis(Status.FLAGGED if has_error(findings) else Status.CLEAN, findings)


def error_diagnosis(reason: str) -> Diagnosis:
    """Return the diagnosis of a program for which the tool returned nothing valid."""
    return Diagnosis(Status.ERROR, reason=reason[:TEXT_LIMIT])


def has_error(findings: list[Finding]) -> bool:
    """Return whether a finding has severity error."""
    return any(finding.severity is Severity.ERROR for finding in findings)
