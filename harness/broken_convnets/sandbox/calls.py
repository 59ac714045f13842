"""Find the function that a job names, decode its payload, and encode what it returns."""

from __future__ import annotations

import importlib
import inspect
import sys
import typing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw, Struct

from broken_convnets.sandbox.job import Answer, JobResult, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable


class QueuedJob(Struct, frozen=True):
    """A job as a runner's process receives it: the payload is not decoded yet."""

    number: int
    call: str
    payload: Raw


class EncodedResult(Struct, frozen=True):
    """A `JobResult` as a fork server sends it: the answer is not decoded yet.

    `answer` is JSON, `null` where there is none. msgspec has no union of Raw and None.
    """

    job: int
    status: JobStatus
    detail: str = ""
    answer: Raw = Raw(b"null")


def preload(modules: list[str], *, forks: bool) -> str:
    """Import modules and configure them; warm them up where this process `forks`.

    Returns why one cannot be imported, in a sentence; empty where all are.
    """
    for name in modules:
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            return f"{name} cannot be imported: {error}"
        getattr(module, "configure", _nothing)()
        if forks:
            getattr(module, "warm_up", _nothing)()
    return ""


def _nothing() -> None:
    """Do nothing."""


def run(job: QueuedJob) -> bytes:
    """Call the function of `job` and return the JSON of its result.

    Raises ImportError or AttributeError for an unknown function, msgspec.ValidationError for a
    payload of another type, and whatever the function raises.
    """
    function = _function(job.call)
    return msgspec.json.encode(function(_payload(job, function)))


def prepare(job: QueuedJob) -> None:
    """Import the module of `job` and call its `prepare`, if it has one, with the payload."""
    function = _function(job.call)
    module = importlib.import_module(function.__module__)
    if hasattr(module, "prepare"):
        module.prepare(_payload(job, function))


def _function(call: str) -> Callable[[Any], Any]:
    module, _, name = call.partition(":")
    function: Callable[[Any], Any] = getattr(importlib.import_module(module), name)
    return function


def _payload(job: QueuedJob, function: Callable[[Any], Any]) -> Any:
    return msgspec.json.decode(job.payload, type=_payload_type(function))


def _payload_type(function: Callable[[Any], Any]) -> Any:
    """Return the type of the first parameter; the others may name types for checkers alone."""
    parameter = next(iter(inspect.signature(function).parameters.values()))
    declared = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    return typing.get_type_hints(declared, vars(sys.modules[function.__module__]))[parameter.name]


def decoded(raw: EncodedResult, schema: type[Answer]) -> JobResult[Answer]:
    """Return a result with its answer decoded; an answer of another type counts as a crash."""
    if raw.status is not JobStatus.DONE:
        return JobResult(raw.job, raw.status, raw.detail)
    try:
        answer = msgspec.json.decode(raw.answer, type=schema)
    except msgspec.DecodeError as error:
        detail = f"the process wrote an invalid result: {error}"
        return JobResult(raw.job, JobStatus.CRASHED, detail)
    return JobResult(raw.job, raw.status, answer=answer)
