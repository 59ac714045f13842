"""Convert an exception of a program to a finding: its message, location and module."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.score.adapters._kinds import kind_of
from broken_convnets.commands.score.protocol.messages import (
    Diagnosis,
    Finding,
    Location,
    LocationRole,
    Status,
)
from broken_convnets.util.mask import mask_error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.commands.score.protocol.messages import Request

LINES = 6
LENGTH = 600
_PATH = re.compile(r"(?:/[\w.+~-]+){2,}/([\w.+~-]+)")


def exception_finding(error: BaseException, request: Request, net: Any = None) -> Finding:
    """Return the finding for an exception, at the line of the program that was running.

    The path of the module is relative to `net`, by default to the outermost running module.
    """
    from broken_convnets.observe.recorder.passes import module_path  # noqa: PLC0415  (imports torch)

    message = mask_error(error)
    return Finding(
        message=brief(message) or type(error).__name__,
        kind=kind_of(type(error).__name__, message),
        rule=type(error).__name__,
        location=program_location(error, request.file),
        module=module_path(error, net),
    )


def brief(message: str) -> str:
    """Return the first lines of a message, with the folders of paths removed."""
    lines = [line.rstrip() for line in message.strip().splitlines() if line.strip()]
    return _PATH.sub(r"\1", "\n".join(lines[:LINES]))[:LENGTH]


def program_location(error: BaseException, file: str) -> Location | None:
    """Return the innermost location in the program's own file that an exception passed through."""
    if isinstance(error, SyntaxError) and _same(error.filename, file):
        return Location(max(error.lineno or 1, 1), LocationRole.SYMPTOM)
    return last_frame(traceback.extract_tb(error.__traceback__), file, LocationRole.SYMPTOM)


def last_frame(
    frames: Iterable[traceback.FrameSummary], file: str, role: LocationRole
) -> Location | None:
    """Return the location of the last frame that is in `file`; columns count from 1."""
    ours = [frame for frame in frames if frame.lineno and _same(frame.filename, file)]
    if not ours:
        return None
    frame = ours[-1]
    column = None if frame.colno is None else frame.colno + 1
    return Location(frame.lineno or 1, role, frame.end_lineno, column)


def unsupported_diagnosis(error: BaseException) -> Diagnosis:
    """Return the diagnosis of a tool that declines a program by raising `error`."""
    reason = f"{type(error).__name__}: {brief(mask_error(error))}"
    return Diagnosis(Status.UNSUPPORTED, reason=reason)


def _same(name: str | None, file: str) -> bool:
    return name is not None and Path(name).name == Path(file).name
