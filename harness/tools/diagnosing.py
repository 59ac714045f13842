"""The child's side: lay the programs out, open the tool, hand on what it says."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from pathlib import Path

import msgspec

from ..errors import UsageError
from ..facts import Job, Told
from ..isolation import warm
from .folder import lay_out
from .protocol import Diagnosis, ProtocolError, Request, checked, failed
from .tool import Tool, bundled, find, opened


@functools.cache
def prepare(name: str) -> None:
    """Prepare a tool, once, in the process from which all are forked.

    Only a bundled one: another's code is run in processes of its own and nowhere else. One that
    cannot be prepared is asked all the same.
    """
    if name not in bundled():
        return
    tool = find(name)
    if type(tool).prepare is Tool.prepare or tool.missing():
        return
    with contextlib.suppress(Exception):
        tool.prepare()
    warm.share()


def tell(job: Job) -> Told:
    """Return what a job's tool says of its requests; without any, what it is.

    The files are made in the working directory. What the tool raises is an answer too where
    there is one request; where there are several, it leaves this function, and the process
    ends without a result: each is then asked for alone.
    """
    if job.tool is None:
        message = "a job to diagnose names its tool"
        raise ValueError(message)
    try:
        tool = opened(job.tool)
        missing = tool.missing()
    except UsageError as error:
        missing = str(error)
    if missing:
        return Told(missing=missing)
    if not job.requests:
        return Told(tool.version(), sorted(tool.needs), tool.batch)
    requests = [_placed(request) for request in job.requests]
    started = time.perf_counter()
    try:
        diagnoses = _valid(tool.diagnose_all(requests), len(requests))
    except Exception as error:
        if len(requests) > 1:
            raise
        diagnoses = [failed(f"{type(error).__name__}: {error}")]
    return Told(diagnoses=diagnoses, seconds=time.perf_counter() - started)


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
