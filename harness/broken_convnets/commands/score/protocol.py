"""What a tool is asked and what it answers: the protocol, version 1.

One JSON request in, one JSON diagnosis out; both strict. `schema` gives them as JSON Schema,
which `protocol-1.schema.json` beside this file holds for authors who do not read Python.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

VERSION = 1
TEXT_LIMIT = 4_000  # characters of a message that are kept
FINDINGS_LIMIT = 50  # of one program that are kept

Line = Annotated[int, Meta(ge=1)]


class Need(StrEnum):
    """What a tool works from. What it does not ask for it does not get."""

    SOURCE = "source"  # the program's text, which it does not run
    MODEL = "model"  # the network and an example batch
    RUN = "run"  # the whole program: loss, backward, optimizer
    TRACEBACK = "traceback"  # what Python prints when the program is run
    ANNOTATIONS = "annotations"  # the text with the shapes of `forward` annotated (jaxtyping)


class Status(StrEnum):
    """What a tool makes of a program."""

    FLAGGED = "flagged"  # something is wrong; a finding of severity error says what
    CLEAN = "clean"  # nothing is wrong, though there may be warnings
    UNSUPPORTED = "unsupported"  # cannot say, by its own rules; `reason` says which
    ERROR = "error"  # the tool failed, or the program did before the tool saw it


class Severity(StrEnum):
    """How sure a finding is of doing harm. Only errors count as an alarm."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Role(StrEnum):
    """What a location claims to be."""

    CAUSE = "cause"  # the line to change
    SYMPTOM = "symptom"  # the line at which it shows


class Names(Struct, frozen=True, forbid_unknown_fields=True):
    """What the parts of a program are called; None for one that it does not have."""

    net: str = "Net"  # the class of the network; takes no argument
    inputs: str = "example_inputs"  # gives the tuple that the network is called with
    targets: str | None = None
    run: str | None = None  # run(net, *inputs, *targets); without it running is net(*inputs)


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """One program to diagnose. It does not tell whether the program is broken.

    `file` lies in a folder of its own in which the tool may write; `python` is the interpreter
    with the torch to use. `traceback` and `annotated` are there for tools that need them:
    the first is empty where running raises nothing.
    """

    id: str
    file: str
    source: str
    names: Names
    python: str
    seconds: float
    traceback: str | None = None
    annotated: str | None = None  # another file
    protocol: Literal[1] = 1


class Location(Struct, frozen=True, forbid_unknown_fields=True):
    """A place in the program's file; lines and columns count from 1.

    A place that a tool did not work out must be left out, not invented.
    """

    line: Line
    role: Role
    end_line: Line | None = None
    column: Line | None = None


class Finding(Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that a tool says of a program.

    `kind` is one of the corpus ("shape/linear_in_features", docs/coverage.md), a topic of it
    ("shape"), or "other". `rule` is the tool's own name for what it found, `module` a path
    as in named_modules(), `fix` a unified diff of the file.
    """

    message: str
    kind: str = "other"
    severity: Severity = Severity.ERROR
    rule: str = ""
    location: Location | None = None
    module: str | None = None
    fix: str | None = None


class Diagnosis(Struct, frozen=True, forbid_unknown_fields=True):
    """What a tool answers for one program; findings come best first."""

    status: Status
    findings: list[Finding] = []
    reason: str = ""
    id: str = ""  # of the request; needed where one answer serves many (JSON lines)
    protocol: Literal[1] = 1


class ProtocolError(Exception):
    """An answer that is not what the protocol asks for; the message says why."""


def read(answer: bytes) -> Diagnosis:
    """Return a tool's answer, cut to the limits; raise ProtocolError where it is no valid one."""
    try:
        found = msgspec.json.decode(answer, type=Diagnosis)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"no diagnosis: {error}"
        raise ProtocolError(message) from None
    return checked(found)


def checked(found: Diagnosis) -> Diagnosis:
    """Return a diagnosis cut to the limits; raise ProtocolError where it contradicts itself."""
    alarmed = any(finding.severity is Severity.ERROR for finding in found.findings)
    if found.status is Status.FLAGGED and not alarmed:
        message = "no diagnosis: flagged, and no finding of severity error says what"
        raise ProtocolError(message)
    if found.status is not Status.FLAGGED and alarmed:
        message = f"no diagnosis: {found.status}, and a finding of severity error"
        raise ProtocolError(message)
    kept = [
        msgspec.structs.replace(finding, message=finding.message[:TEXT_LIMIT])
        for finding in found.findings[:FINDINGS_LIMIT]
    ]
    return msgspec.structs.replace(found, findings=kept, reason=found.reason[:TEXT_LIMIT])


def diagnosed(findings: list[Finding]) -> Diagnosis:
    """Return the diagnosis that follows from findings: flagged where one is an error."""
    alarmed = any(finding.severity is Severity.ERROR for finding in findings)
    return Diagnosis(Status.FLAGGED if alarmed else Status.CLEAN, findings)


def failed(reason: str) -> Diagnosis:
    """Return the diagnosis of a program of which the tool says nothing valid."""
    return Diagnosis(Status.ERROR, reason=reason[:TEXT_LIMIT])


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of requests and diagnoses."""
    _, parts = msgspec.json.schema_components([Request, Diagnosis], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Broken ConvNets: requests to diagnostic tools and their answers, {VERSION}",
        "oneOf": [{"$ref": "#/$defs/Request"}, {"$ref": "#/$defs/Diagnosis"}],
        "$defs": parts,
    }
