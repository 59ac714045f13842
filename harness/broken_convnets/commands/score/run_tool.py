"""The child's side: lay the programs out, open the tool, hand on what it says."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from pathlib import Path

import msgspec

from broken_convnets.commands.score.protocol import (
    Diagnosis,
    ProtocolError,
    Request,
    checked,
    failed,
)
from broken_convnets.commands.score.tool import Tool, bundled, find, opened
from broken_convnets.commands.score.tool_report import ToolReport, ToolRequest
from broken_convnets.commands.score.workspace import lay_out
from broken_convnets.errors import UsageError
from broken_convnets.sandbox.heap import freeze_heap


def prepare(request: ToolRequest) -> None:
    """Prepare the tool of a request, once, in the process from which all are forked."""
    if request.requests and not request.tool.argv:
        prepare_tool(request.tool.name)


@functools.cache
def prepare_tool(name: str) -> None:
    """Prepare a bundled tool; another's code is run in processes of its own and nowhere else.

    One that cannot be prepared is asked all the same.
    """
    if name not in bundled():
        return
    tool = find(name)
    if type(tool).prepare is Tool.prepare or tool.missing():
        return
    with contextlib.suppress(Exception):
        tool.prepare()
    freeze_heap()


def run_tool(job: ToolRequest) -> ToolReport:
    """Return what a tool reports for its requests; without any, how it describes itself.

    The files are made in the working directory. What the tool raises is an answer too where
    there is one request; where there are several, it leaves this function, and the process
    ends without a result: each is then asked for alone.
    """
    try:
        tool = opened(job.tool)
        missing = tool.missing()
    except UsageError as error:
        missing = str(error)
    if missing:
        return ToolReport(missing=missing)
    if not job.requests:
        return ToolReport(tool.version(), sorted(tool.needs), tool.batch)
    requests = [_placed(request) for request in job.requests]
    started = time.perf_counter()
    try:
        diagnoses = _valid(tool.diagnose_all(requests), len(requests))
    except Exception as error:
        if len(requests) > 1:
            raise
        diagnoses = [failed(f"{type(error).__name__}: {error}")]
    return ToolReport(diagnoses=diagnoses, seconds=time.perf_counter() - started)


def _placed(request: Request) -> Request:
    """Return a request whose files are there; until now `annotated` was the text itself."""
    file = lay_out(request.id, request.source, Path.cwd())
    annotated = None
    if request.annotated is not None:
        annotated = str(lay_out(f"{request.id}a", request.annotated, Path.cwd()))
    return msgspec.structs.replace(
        request, file=str(file), python=sys.executable, annotated=annotated
    )


def _valid(diagnoses: object, count: int) -> list[Diagnosis]:
    """Return what a tool gave, held to the protocol; it may have given anything."""
    try:
        found = msgspec.convert(msgspec.to_builtins(diagnoses), list[Diagnosis])
    except (msgspec.ValidationError, TypeError) as error:
        message = f"no diagnosis: {error}"
        raise ProtocolError(message) from None
    if len(found) != count:
        message = f"{len(found)} diagnoses for {count} programs"
        raise ProtocolError(message)
    return [checked(diagnosis) for diagnosis in found]
