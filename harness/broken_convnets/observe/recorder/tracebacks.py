"""Take the recorder's frames out of tracebacks while an exception passes through them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import overrides

from broken_convnets.observe.recorder.patches import is_recorder_code

if TYPE_CHECKING:
    from types import TracebackType

HANDLE = overrides.handle_torch_function.__code__


def leave_out_outermost(error: BaseException) -> None:
    """Drop the outermost frames if they are the recorder's; it is about to raise `error` again."""
    entry = error.__traceback__
    while entry is not None and is_recorder_code(entry.tb_frame.f_code):
        entry = entry.tb_next
    error.__traceback__ = entry


def leave_out_recorder(error: BaseException) -> None:
    """Drop all frames that are there only because of the recorder.

    A torch function that is written in Python occurs twice while a mode is active: it asks the
    mode, which calls it again. The first of the two frames is dropped.
    """
    entries: list[TracebackType] = []
    entry = error.__traceback__
    while entry is not None:
        if not is_recorder_code(entry.tb_frame.f_code):
            entries.append(entry)
        entry = entry.tb_next
    kept: list[TracebackType] = []
    for entry in entries:
        if _is_called_again(kept, entry):
            del kept[-2:]
        kept.append(entry)
    for inner, outer in zip([*kept[1:], None], kept, strict=True):
        outer.tb_next = inner
    error.__traceback__ = kept[0] if kept else None


def _is_called_again(before: list[TracebackType], entry: TracebackType) -> bool:
    if len(before) < 2 or before[-1].tb_frame.f_code is not HANDLE:  # noqa: PLR2004  (function, handler)
        return False
    return before[-2].tb_frame.f_code is entry.tb_frame.f_code
