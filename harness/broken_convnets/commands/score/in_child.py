"""Run a tool inside the sandboxed process: write the programs, open the tool, return its report."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from pathlib import Path

import msgspec

from broken_convnets.commands.score.programs.workspace import write_workspace
from broken_convnets.commands.score.protocol.messages import Diagnosis, Request
from broken_convnets.commands.score.protocol.tool import Tool
from broken_convnets.commands.score.protocol.validation import (
    ProtocolError,
    error_diagnosis,
    validated,
)
from broken_convnets.commands.score.registry import bundled_tools, find_tool, open_tool
from broken_convnets.commands.score.tool_jobs import ToolJob, ToolReport
from broken_convnets.errors import UsageError
from broken_convnets.sandbox.heap import freeze_heap


def prepare(job: ToolJob) -> None:
    """Prepare the tool of `job` in the process from which the jobs are forked."""
    if job.requests and not job.tool.argv:
        prepare_tool(job.tool.name)


@functools.cache
def prepare_tool(name: str) -> None:
    """Prepare a bundled tool once. Code of other tools runs only in their own processes.

    A tool whose preparation fails runs without it.
    """
    if name not in bundled_tools():
        return
    tool = find_tool(name)
    if type(tool).prepare is Tool.prepare or tool.missing():
        return
    with contextlib.suppress(Exception):
        tool.prepare()
    freeze_heap()


def run_tool(job: ToolJob) -> ToolReport:
    """Return what the tool reports for its requests; without any, its description.

    The programs are written to the working directory. If the tool raises on a single request,
    the exception becomes the diagnosis. If it raises on several, the exception ends the process
    without a result, and the caller repeats each request in its own process.
    """
    try:
        tool = open_tool(job.tool)
        missing = tool.missing()
    except UsageError as error:
        missing = str(error)
    if missing:
        return ToolReport(missing=missing)
    if not job.requests:
        return ToolReport(tool.version(), sorted(tool.needs), tool.batch)
    requests = [_with_files(request) for request in job.requests]
    started = time.perf_counter()
    try:
        diagnoses = _validated(tool.diagnose_all(requests), len(requests))
    except Exception as error:
        if len(requests) > 1:
            raise
        diagnoses = [error_diagnosis(f"{type(error).__name__}: {error}")]
    return ToolReport(diagnoses=diagnoses, seconds=time.perf_counter() - started)


def _with_files(request: Request) -> Request:
    """Write the files of a request, whose `annotated` is a source text, and insert their paths."""
    file = write_workspace(request.id, request.source, Path.cwd())
    annotated = None
    if request.annotated is not None:
        annotated = str(write_workspace(f"{request.id}a", request.annotated, Path.cwd()))
    return msgspec.structs.replace(
        request, file=str(file), python=sys.executable, annotated=annotated
    )


def _validated(diagnoses: object, count: int) -> list[Diagnosis]:
    """Return `diagnoses` as `count` valid ones; a tool in Python may have returned any object."""
    try:
        converted = msgspec.convert(msgspec.to_builtins(diagnoses), list[Diagnosis])
    except (msgspec.ValidationError, TypeError) as error:
        message = f"invalid diagnosis: {error}"
        raise ProtocolError(message) from None
    if len(converted) != count:
        message = f"the tool returned {len(converted)} diagnoses for {count} programs"
        raise ProtocolError(message)
    return [validated(diagnosis) for diagnosis in converted]
