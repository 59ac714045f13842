"""The part of a SARIF 2.1.0 log that says something of programs, held to its types.

What else a log has is skipped. Lists may be null, as tools in other languages write them.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "2.1.0"
SIZE = 64 << 20  # bytes; a thousand programs with a fix each take two million
FROM_1 = Annotated[int, Meta(ge=1)]
FROM_0 = Annotated[int, Meta(ge=0)]
Level = Literal["none", "note", "warning", "error"]
Kind = Literal["pass", "fail", "notApplicable", "open", "review", "informational"]


class Part(Struct, frozen=True, rename="camel"):
    """Any object of a log."""


class ArtifactLocation(Part, frozen=True):
    """A file, by its URI or by its place among the run's artifacts."""

    uri: str = ""
    index: int = -1


class Artifact(Part, frozen=True):
    """A file that the tool looked at."""

    location: ArtifactLocation | None = None


class Region(Part, frozen=True):
    """A stretch of text; lines and columns count from 1, the end column is excluded."""

    start_line: FROM_1 | None = None
    start_column: FROM_1 | None = None
    end_line: FROM_1 | None = None
    end_column: FROM_1 | None = None
    char_offset: int | None = None
    char_length: FROM_0 = 0


class PhysicalLocation(Part, frozen=True):
    """A place in a file."""

    artifact_location: ArtifactLocation | None = None
    region: Region | None = None


class LogicalLocation(Part, frozen=True):
    """A place by its name."""

    fully_qualified_name: str | None = None
    kind: str | None = None


class Location(Part, frozen=True):
    """A place."""

    physical_location: PhysicalLocation | None = None
    logical_locations: list[LogicalLocation] | None = None


class Message(Part, frozen=True):
    """What is said, or the id of a text that the rule has."""

    text: str | None = None
    markdown: str | None = None
    id: str | None = None
    arguments: list[str] | None = None


class Configuration(Part, frozen=True):
    """How a rule is set."""

    level: Level = "warning"


class Rule(Part, frozen=True):
    """One thing that the tool looks for."""

    id: str = ""
    default_configuration: Configuration | None = None
    message_strings: dict[str, Message] | None = None


class RuleReference(Part, frozen=True):
    """Which rule it is."""

    id: str | None = None
    index: int = -1


class Driver(Part, frozen=True):
    """The tool itself."""

    name: str
    rules: list[Rule] | None = None


class Tool(Part, frozen=True):
    """The tool, without its extensions."""

    driver: Driver


class Content(Part, frozen=True):
    """Text to insert."""

    text: str = ""


class Replacement(Part, frozen=True):
    """A stretch of text to delete, and what comes in its place."""

    deleted_region: Region
    inserted_content: Content | None = None


class ArtifactChange(Part, frozen=True):
    """What a fix changes in one file."""

    artifact_location: ArtifactLocation
    replacements: list[Replacement]


class Fix(Part, frozen=True):
    """One way to put it right."""

    artifact_changes: list[ArtifactChange]


class Suppression(Part, frozen=True):
    """That somebody does not want to hear of it."""

    status: str = "accepted"


class Result(Part, frozen=True):
    """One thing that the tool found, or looked for and did not find."""

    message: Message
    rule_id: str | None = None
    rule_index: int = -1
    rule: RuleReference | None = None
    kind: Kind = "fail"
    level: Level | None = None
    locations: list[Location] | None = None
    related_locations: list[Location] | None = None
    fixes: list[Fix] | None = None
    suppressions: list[Suppression] | None = None
    baseline_state: str | None = None
    rank: float = -1.0
    properties: dict[str, Any] | None = None


class Notification(Part, frozen=True):
    """What the tool says of its own work."""

    message: Message
    level: Level = "warning"
    locations: list[Location] | None = None


class Invocation(Part, frozen=True):
    """One start of the tool."""

    execution_successful: bool
    tool_execution_notifications: list[Notification] | None = None


class Run(Part, frozen=True):
    """What one run of a tool gave; `results` is None where it did not look for anything."""

    tool: Tool
    results: list[Result] | None = None
    artifacts: list[Artifact] | None = None
    invocations: list[Invocation] | None = None


class Log(Part, frozen=True):
    """A whole file."""

    version: Literal["2.1.0"]
    runs: list[Run] | None


def load(path: Path) -> Log:
    """Return the log in a file; raises UsageError where there is none."""
    try:
        size = path.stat().st_size
        if size > SIZE:
            message = f"{path} is larger than {SIZE >> 20} MiB: write a log of these programs only"
            raise UsageError(message)
        data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise UsageError(message) from None
    try:
        return msgspec.json.decode(data, type=Log)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = str(error)
    except RecursionError:
        reason = "it is nested too deeply"
    message = f"{path} is no SARIF {VERSION} log: {reason}"
    raise UsageError(message)
