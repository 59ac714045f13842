"""Say where an exception came from: the user's line, the layer, the operator, Python's report."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.observe.recorder.passes import running_modules
from broken_convnets.observe.recorder.patches import AS_CALLER, HIDDEN
from broken_convnets.observe.recorder.places import (
    Place,
    is_library_file,
    is_user_file,
    source_text,
)
from broken_convnets.util.environment import PACKAGE
from broken_convnets.util.mask import LENGTH

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.record import Record


class Failure(Struct, frozen=True):
    """An exception, and where it came from. Paths in it are those of this machine.

    `file`, `line` and `expression` are the innermost place in the user's own code, or that of a
    library if none of the user's code was running. The `library_` ones are the innermost place in
    an installed library other than torch, if that is further inside; empty if there is none.
    """

    type: str
    message: str  # at most LENGTH characters
    traceback: str  # as Python prints it, without the frames of this package
    expression: str = ""
    file: str = ""
    line: int | None = None
    library_expression: str = ""
    library_file: str = ""
    library_line: int | None = None
    operator: str = ""  # the torch function that raised, with its arguments
    layer: str | None = None  # path of the innermost module that was running
    layer_type: str = ""  # its class
    network: int | None = None  # index of the network that the layer belongs to


def failure(
    error: BaseException, layer: str | None, network: int | None, record: Record | None = None
) -> Failure:
    """Return the facts of `error`, which `layer` of a network raised."""
    users, library = user_frame(error), library_frame(error)
    shown, inside = (users, library) if users else (library, None)
    running = running_modules(error)
    return Failure(
        type=type(error).__name__,
        message=message_of(error),
        traceback=printed(error),
        expression=expression(shown),
        file=shown.filename if shown else "",
        line=shown.lineno if shown else None,
        library_expression=expression(inside),
        library_file=inside.filename if inside else "",
        library_line=inside.lineno if inside else None,
        operator=record.failed_operator(error) if record else "",
        layer=layer,
        layer_type=type(running[-1]).__name__ if running else "",
        network=network,
    )


def message_of(error: BaseException) -> str:
    """Return the message of an exception, shortened; never raises."""
    try:
        text = str(error)
    except BaseException as inner:  # noqa: BLE001  (it is the program's code)
        return f"(no message: its __str__ raises {type(inner).__name__})"
    return text if len(text) <= LENGTH else f"{text[:LENGTH]}…"


def user_frame(error: BaseException) -> traceback.FrameSummary | None:
    """Return the innermost frame of the user's own code."""
    frames = _frames(error)
    return next((frame for frame in reversed(frames) if is_user_file(frame.filename)), None)


def library_frame(error: BaseException) -> traceback.FrameSummary | None:
    """Return the innermost frame of a library other than torch, if the user's is not inside it."""
    for frame in reversed(_frames(error)):
        if is_user_file(frame.filename):
            return None
        if is_library_file(frame.filename):
            return frame
    return None


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    if isinstance(error, SyntaxError):
        return []
    return [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_ours(frame)]


def expression(frame: traceback.FrameSummary | None, source: str | None = None) -> str:
    """Return the text of the expression that a frame was at, from the text of its file if given."""
    if frame is None:
        return ""
    first, last = frame.lineno or 1, frame.end_lineno or frame.lineno or 1
    place = Place(
        frame.filename, first, last, frame.colno or 0, frame.end_colno or 1 << 30, frame.name
    )
    return place.text if source is None else source_text(place, source.splitlines())


def printed(error: BaseException) -> str:
    """Return what Python would print for `error` if this package were not there."""
    try:
        report = traceback.TracebackException.from_exception(error, compact=True)
        _clean(report)
        return "".join(report.format())
    except Exception:  # noqa: BLE001  (the program's exception may be of any class)
        return f"{type(error).__name__}\n"


def _clean(report: traceback.TracebackException) -> None:
    frames = _without_ours(list(report.stack or ()))
    report.stack = traceback.StackSummary.from_list(frames) if frames else None  # type: ignore[assignment]  # None if there are none
    for other in (
        report.__cause__,
        report.__context__,
        *(getattr(report, "exceptions", None) or ()),
    ):
        if other is not None:
            _clean(other)


def _without_ours(frames: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """Leave out our frames, and the first of two of a torch function that a mode calls again."""
    kept: list[traceback.FrameSummary] = []
    for frame in frames:
        if _is_ours(frame):
            continue
        if len(kept) > 1 and kept[-1].name == "handle_torch_function" and _same(kept[-2], frame):
            del kept[-2:]
        kept.append(frame)
    return kept


def _same(one: traceback.FrameSummary, other: traceback.FrameSummary) -> bool:
    return (one.filename, one.name) == (other.filename, other.name)


def _is_ours(frame: traceback.FrameSummary) -> bool:
    if frame.filename == HIDDEN or frame.name == AS_CALLER:
        return True
    runpy = {"<frozen runpy>", getattr(sys.modules.get("runpy"), "__file__", "")}
    return frame.filename in runpy or Path(frame.filename).is_relative_to(PACKAGE)
