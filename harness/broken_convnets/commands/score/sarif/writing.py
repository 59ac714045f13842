"""Write diagnoses as a SARIF 2.1.0 log, which `read_sarif` can read again.

The paths are those that `broken-convnets programs` writes, so that a viewer can open them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broken_convnets.commands.score.programs.patch import PatchError, apply_patch
from broken_convnets.commands.score.programs.workspace import file_name
from broken_convnets.commands.score.protocol.messages import Status
from broken_convnets.commands.score.sarif.edits import line_replacements
from broken_convnets.commands.score.sarif.log import SARIF_VERSION
from broken_convnets.errors import UsageError
from broken_convnets.util import files
from broken_convnets.util.json_output import as_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from broken_convnets.commands.score.programs.program import CorpusProgram
    from broken_convnets.commands.score.programs.tool_result import ToolResult
    from broken_convnets.commands.score.protocol.messages import Finding, Location

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def write_sarif(path: Path, name: str, version: str, results: Sequence[ToolResult]) -> None:
    """Write the results of a tool to a file. Raises UsageError if the file cannot be written."""
    text = as_json(sarif_log(name, version, results)) + "\n"
    try:
        files.write(path, text)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror or error}"
        raise UsageError(message) from None


def sarif_log(name: str, version: str, results: Sequence[ToolResult]) -> dict[str, Any]:
    """Return the log of one run over all programs."""
    failures = [result for result in results if result.diagnosis.status is Status.ERROR]
    rules = sorted({f.rule for result in results for f in result.diagnosis.findings if f.rule})
    driver = {"name": name, **({"version": version} if version else {})}
    return {
        "$schema": SCHEMA,
        "version": SARIF_VERSION,
        "runs": [
            {
                "tool": {"driver": {**driver, "rules": [{"id": rule} for rule in rules]}},
                "columnKind": "unicodeCodePoints",
                "artifacts": [{"location": {"uri": _uri(r.program)}} for r in results],
                "invocations": [
                    {
                        "executionSuccessful": not failures,
                        "toolExecutionNotifications": [_failure(result) for result in failures],
                    }
                ],
                "results": [item for result in results for item in _results(result)],
            }
        ],
    }


def _uri(program: CorpusProgram) -> str:
    return f"{program.id}/{file_name(program.id)}"


def _physical(program: CorpusProgram, region: dict[str, int] | None = None) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(program)}}
    return {"physicalLocation": place | ({"region": region} if region else {})}


def _failure(result: ToolResult) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": result.diagnosis.reason},
        "locations": [_physical(result.program)],
    }


def _results(result: ToolResult) -> list[dict[str, Any]]:
    """Return a SARIF result per finding, and one for a clean or unsupported program."""
    program, diagnosis = result.program, result.diagnosis
    found = [_finding(finding, program) for finding in diagnosis.findings]
    kinds = {Status.CLEAN: "pass", Status.UNSUPPORTED: "notApplicable"}
    if diagnosis.status in kinds:
        found.append(
            {
                "kind": kinds[diagnosis.status],
                "level": "none",
                "message": {"text": diagnosis.reason or diagnosis.status.value},
                "locations": [_physical(program)],
            }
        )
    return found


def _finding(finding: Finding, program: CorpusProgram) -> dict[str, Any]:
    place = finding.location
    location = _physical(program, _region(place) if place else None)
    if finding.module is not None:
        name = {"fullyQualifiedName": finding.module, "kind": "module"}
        location["logicalLocations"] = [name]
    fixes = _fixes(finding, program)
    return {
        **({"ruleId": finding.rule} if finding.rule else {}),
        "kind": "fail",
        "level": finding.severity.value,
        "message": {"text": finding.message},
        "locations": [location],
        **({"fixes": fixes} if fixes else {}),
        "properties": {"kind": finding.kind, **({"role": place.role} if place else {})},
    }


def _region(place: Location) -> dict[str, int]:
    columns = {} if place.column is None else {"startColumn": place.column}
    lines = {} if place.end_line is None else {"endLine": place.end_line}
    return {"startLine": place.line, **columns, **lines}


def _fixes(finding: Finding, program: CorpusProgram) -> list[dict[str, Any]]:
    """Return the SARIF fix of a finding; none if its diff does not apply."""
    try:
        new = apply_patch(finding.fix, program.source) if finding.fix else program.source
    except PatchError:
        return []
    parts = line_replacements(program.source, new)
    change = {"artifactLocation": {"uri": _uri(program)}, "replacements": parts}
    return [{"artifactChanges": [change]}] if parts else []
