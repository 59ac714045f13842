"""Say where an exception came from: the expression, the operator, and what Python would print."""

from __future__ import annotations

import linecache
import sys
import traceback
from pathlib import Path

import torch
from msgspec import Struct

from broken_convnets.observe.operators import failed_operator
from broken_convnets.util.environment import PACKAGE
from broken_convnets.util.mask import LENGTH

TORCH = Path(torch.__file__).parent
CALLS = str(TORCH / "nn" / "modules" / "module.py")
OVERRIDES = str(TORCH / "overrides.py")


class Failure(Struct, frozen=True):
    """An exception, and where it came from. Paths in it are those of this machine."""

    type: str
    message: str  # at most LENGTH characters
    traceback: str  # as Python prints it, without the frames of this package
    expression: str = ""  # source text of the innermost expression outside torch
    file: str = ""  # where that is
    line: int | None = None
    operator: str = ""  # the torch function that raised, with what it took
    layer: str | None = None  # path of the innermost module that was running
    network: int | None = None  # index of the network that the layer belongs to


def failure(error: BaseException, layer: str | None, network: int | None) -> Failure:
    """Return the facts of `error`, which `layer` of a network raised."""
    place = innermost(error)
    return Failure(
        type=type(error).__name__,
        message=_message(error),
        traceback=shown(error),
        expression=expression(place, "".join(linecache.getlines(place.filename))) if place else "",
        file=place.filename if place else "",
        line=place.lineno if place else None,
        operator=failed_operator(error),
        layer=layer,
        network=network,
    )


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException as inner:  # noqa: BLE001  (it is the program's code)
        return f"(no message: its __str__ raises {type(inner).__name__})"
    return text if len(text) <= LENGTH else f"{text[:LENGTH]}…"


def innermost(error: BaseException) -> traceback.FrameSummary | None:
    """Return the innermost frame that is neither torch's, ours nor Python's own."""
    if isinstance(error, SyntaxError):
        return None
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame for frame in reversed(frames) if _is_the_programs(frame)), None)


def _is_the_programs(frame: traceback.FrameSummary) -> bool:
    file = Path(frame.filename)
    library = Path(traceback.__file__).parent
    if file.is_relative_to(TORCH) or file.is_relative_to(PACKAGE):
        return False
    outside = not file.is_relative_to(library) or "site-packages" in file.parts
    return outside and not frame.filename.startswith("<frozen")


def expression(frame: traceback.FrameSummary, source: str) -> str:
    """Return the text of the expression that a frame was at; `source` is that of its file."""
    lines = source.encode().splitlines()  # columns count bytes
    first, last = frame.lineno or 1, frame.end_lineno or frame.lineno or 1
    if last > len(lines):
        return ""
    text = b"\n".join(lines[first - 1 : last])
    cut = len(lines[last - 1]) - (frame.end_colno or len(lines[last - 1]))
    text = text[frame.colno or 0 : len(text) - cut]
    return " ".join(text.decode(errors="replace").split())


def shown(error: BaseException) -> str:
    """Return what Python would print for `error`, had this package not been there."""
    try:
        told = traceback.TracebackException.from_exception(error, compact=True)
        _clean(told)
        return "".join(told.format())
    except Exception:  # noqa: BLE001  (the program's exception may be of any class)
        return f"{type(error).__name__}\n"


def _clean(told: traceback.TracebackException) -> None:
    frames = _without_ours(list(told.stack or ()))
    told.stack = traceback.StackSummary.from_list(frames) if frames else None  # type: ignore[assignment]  # None where there are none
    for other in (told.__cause__, told.__context__, *(getattr(told, "exceptions", None) or ())):
        if other is not None:
            _clean(other)


def _without_ours(frames: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """Take out what tracing adds: our frames, and those of torch that only lead to them."""
    kept: list[traceback.FrameSummary] = []
    for frame, following in zip(frames, [*frames[1:], None], strict=True):
        place = (frame.filename, frame.name)
        if place == (OVERRIDES, "handle_torch_function") and following and _is_ours(following):
            kept[-1:] = []  # the function that asked; it comes again, called by us
        elif not (_is_ours(frame) or (place == (CALLS, "inner") and following)):
            kept.append(frame)
    return kept


def _is_ours(frame: traceback.FrameSummary) -> bool:
    runpy = {"<frozen runpy>", getattr(sys.modules.get("runpy"), "__file__", "")}
    return frame.filename in runpy or Path(frame.filename).is_relative_to(PACKAGE)
