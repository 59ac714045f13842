"""The job that runs a healthy program once and says which of its lines were executed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.wild.lines_job import ExecutedLines, LinesRequest
from broken_convnets.observe.program import FILE_NAME, Program

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    TraceFunction = Callable[[FrameType, str, Any], "TraceFunction | None"]


def executed_lines(request: LinesRequest) -> ExecutedLines:
    """Return the lines that ran; none if the program raises."""
    path = str(Path.cwd() / FILE_NAME)
    lines: set[int] = set()

    def trace(frame: FrameType, event: str, _argument: object) -> TraceFunction | None:
        if frame.f_code.co_filename != path:
            return None
        if event == "line":
            lines.add(frame.f_lineno)
        return trace

    sys.settrace(trace)
    try:
        program = Program.load(request.source, request.seed, "cpu")
        program.run(program.net(), program.inputs(), program.targets())
        if "score" in program.functions():
            outputs = program.net().eval()(*program.inputs())
            program.call("score", outputs, *program.targets())
    except BaseException:  # noqa: BLE001  (its runs say what is wrong with it)
        return ExecutedLines([])
    finally:
        sys.settrace(None)
    return ExecutedLines(sorted(lines))
