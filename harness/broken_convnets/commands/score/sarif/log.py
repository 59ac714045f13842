"""The types of the parts of a SARIF 2.1.0 log that describe programs.

Other parts are ignored. Lists may be null, because tools in other languages write null.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

SARIF_VERSION = "2.1.0"
SIZE_LIMIT = 64 << 20  # bytes; a log of 1000 programs with a fix each has about 2 million
FROM_1 = Annotated[int, Meta(ge=1)]
FROM_0 = Annotated[int, Meta(ge=0)]
Level = Literal["none", "note", "warning", "error"]
ResultKind = Literal["pass", "fail", "notApplicable", "open", "review", "informational"]


class SarifObject(Struct, frozen=True, rename="camel"):
    """An object of a log, whose keys are in camel case."""


class ArtifactLocation(SarifObject, frozen=True):
    """A file, by its URI or by its index among the artifacts of the run."""

    uri: str = ""
    index: int = -1


class Artifact(SarifObject, frozen=True):
    """A file that the tool read."""

    location: ArtifactLocation | None = None


class Region(SarifObject, frozen=True):
    """A region of text; lines and columns count from 1, the end column is exclusive."""

    start_line: FROM_1 | None = None
    start_column: FROM_1 | None = None
    end_line: FROM_1 | None = None
    end_column: FROM_1 | None = None
    char_offset: int | None = None
    char_length: FROM_0 = 0


class PhysicalLocation(SarifObject, frozen=True):
    """A location in a file."""

    artifact_location: ArtifactLocation | None = None
    region: Region | None = None


class LogicalLocation(SarifObject, frozen=True):
    """A location by its name."""

    fully_qualified_name: str | None = None
    kind: str | None = None


class SarifLocation(SarifObject, frozen=True):
    """A location."""

    physical_location: PhysicalLocation | None = None
    logical_locations: list[LogicalLocation] | None = None


class SarifMessage(SarifObject, frozen=True):
    """A message, or the id of a message string of the rule."""

    text: str | None = None
    markdown: str | None = None
    id: str | None = None
    arguments: list[str] | None = None


class Configuration(SarifObject, frozen=True):
    """The configuration of a rule."""

    level: Level = "warning"


class SarifRule(SarifObject, frozen=True):
    """A problem that the tool checks for."""

    id: str = ""
    default_configuration: Configuration | None = None
    message_strings: dict[str, SarifMessage] | None = None


class RuleReference(SarifObject, frozen=True):
    """A reference to a rule."""

    id: str | None = None
    index: int = -1


class Driver(SarifObject, frozen=True):
    """The main component of the tool."""

    name: str
    semantic_version: str | None = None
    version: str | None = None
    rules: list[SarifRule] | None = None


class SarifTool(SarifObject, frozen=True):
    """The tool, without its extensions."""

    driver: Driver


class Content(SarifObject, frozen=True):
    """Text to insert."""

    text: str = ""


class Replacement(SarifObject, frozen=True):
    """A region to delete, and the text that replaces it."""

    deleted_region: Region
    inserted_content: Content | None = None


class ArtifactChange(SarifObject, frozen=True):
    """The changes of a fix to one file."""

    artifact_location: ArtifactLocation
    replacements: list[Replacement]


class SarifFix(SarifObject, frozen=True):
    """One possible fix."""

    artifact_changes: list[ArtifactChange]


class Suppression(SarifObject, frozen=True):
    """A suppression of the result."""

    status: str = "accepted"


class SarifResult(SarifObject, frozen=True):
    """A problem that the tool found, or a check that passed."""

    message: SarifMessage
    rule_id: str | None = None
    rule_index: int = -1
    rule: RuleReference | None = None
    kind: ResultKind = "fail"
    level: Level | None = None
    locations: list[SarifLocation] | None = None
    related_locations: list[SarifLocation] | None = None
    fixes: list[SarifFix] | None = None
    suppressions: list[Suppression] | None = None
    baseline_state: str | None = None
    rank: float = -1.0
    properties: dict[str, Any] | None = None


class Notification(SarifObject, frozen=True):
    """A message about the run of the tool itself."""

    message: SarifMessage
    level: Level = "warning"
    locations: list[SarifLocation] | None = None


class Invocation(SarifObject, frozen=True):
    """One execution of the tool."""

    execution_successful: bool
    tool_execution_notifications: list[Notification] | None = None


class SarifRun(SarifObject, frozen=True):
    """One run of a tool; `results` is None if the tool did not check anything."""

    tool: SarifTool
    results: list[SarifResult] | None = None
    artifacts: list[Artifact] | None = None
    invocations: list[Invocation] | None = None


class SarifLog(SarifObject, frozen=True):
    """A whole file."""

    version: Literal["2.1.0"]
    runs: list[SarifRun] | None


def load(path: Path) -> SarifLog:
    """Return the log in a file. Raises UsageError if it is missing, too large, or not SARIF."""
    try:
        size = path.stat().st_size
        if size > SIZE_LIMIT:
            message = (
                f"{path} is larger than {SIZE_LIMIT >> 20} MiB: write a log of these programs only"
            )
            raise UsageError(message)
        data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror or error}"
        raise UsageError(message) from None
    try:
        return msgspec.json.decode(data, type=SarifLog)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = str(error)
    except RecursionError:
        reason = "it is nested too deeply"
    message = f"{path} is not a SARIF {SARIF_VERSION} log: {reason}"
    raise UsageError(message)
