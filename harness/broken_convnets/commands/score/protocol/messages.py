"""The messages of the tool protocol, version 1: one JSON request in, one JSON diagnosis out.

Unknown keys are rejected on both sides. `protocol-1.schema.json` beside this module is the same
protocol as JSON Schema.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from broken_convnets.util.json_schema import definitions

PROTOCOL_VERSION = 1

LineNumber = Annotated[int, Meta(ge=1)]


class Need(StrEnum):
    """An input that a tool works from. A tool receives only what it lists in its `needs`."""

    SOURCE = "source"  # the text of the program, which the tool does not run
    MODEL = "model"  # the network and an example batch
    RUN = "run"  # the whole program: loss, backward, optimizer
    TRACEBACK = "traceback"  # what Python prints when the program runs
    ANNOTATIONS = "annotations"  # the text with jaxtyping annotations on `forward`


class Status(StrEnum):
    """The verdict of a tool about one program."""

    FLAGGED = "flagged"  # the program is wrong; at least one finding has severity error
    CLEAN = "clean"  # nothing is wrong, although there may be warnings
    UNSUPPORTED = "unsupported"  # the tool declines the program; `reason` says why
    ERROR = "error"  # the tool failed, or the program failed before the tool could examine it


class Severity(StrEnum):
    """How certain a finding is. Only an error counts as an alarm."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class LocationRole(StrEnum):
    """What a location claims to be."""

    CAUSE = "cause"  # the line to change
    SYMPTOM = "symptom"  # the line where the failure shows


class ProgramNames(Struct, frozen=True, forbid_unknown_fields=True):
    """The names of a program's parts; None for a part that the program does not have."""

    net: str = "Net"  # the class of the network; its constructor has no argument
    inputs: str = "example_inputs"  # returns the tuple of arguments for the network
    targets: str | None = None
    run: str | None = None  # run(net, *inputs, *targets); without it, a run is net(*inputs)


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """One program to diagnose. A request does not reveal whether the program is broken.

    `file` is in its own folder, in which the tool may write. `python` is the interpreter whose
    torch the tool should use. `seconds` is the time limit. `traceback` and `annotated` are set
    for tools that need them; an empty `traceback` means that the program raised nothing.
    """

    id: str
    file: str
    source: str
    names: ProgramNames
    python: str
    seconds: float
    traceback: str | None = None
    annotated: str | None = None  # path of another file
    protocol: Literal[1] = 1


class Location(Struct, frozen=True, forbid_unknown_fields=True):
    """A place in the file of the program; lines and columns count from 1.

    Omit a location if the tool did not determine one.
    """

    line: LineNumber
    role: LocationRole
    end_line: LineNumber | None = None
    column: LineNumber | None = None


class Finding(Struct, frozen=True, forbid_unknown_fields=True):
    """One problem that a tool reports.

    `kind` is a kind of the corpus ("shape/linear_in_features", see docs/coverage.md), a topic
    ("shape"), or "other". `rule` is the tool's own name for the problem, `module` a path as in
    `named_modules()`, and `fix` a unified diff of the file.
    """

    message: str
    kind: str = "other"
    severity: Severity = Severity.ERROR
    rule: str = ""
    location: Location | None = None
    module: str | None = None
    fix: str | None = None


class Diagnosis(Struct, frozen=True, forbid_unknown_fields=True):
    """The answer of a tool for one program, with the best finding first."""

    status: Status
    findings: list[Finding] = []
    reason: str = ""
    id: str = ""  # of the request; required where one process answers several requests
    protocol: Literal[1] = 1


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of requests and diagnoses."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Broken ConvNets: protocol of diagnostic tools, version {PROTOCOL_VERSION}",
        "oneOf": [{"$ref": "#/$defs/Request"}, {"$ref": "#/$defs/Diagnosis"}],
        "$defs": definitions(Request, Diagnosis),
    }
