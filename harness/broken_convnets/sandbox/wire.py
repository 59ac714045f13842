"""What a runner and its processes exchange: jobs and results whose content is still JSON.

A result comes from a process that ran an untrusted program, so it is checked here.
"""

from __future__ import annotations

import signal

import msgspec
from msgspec import Raw, Struct

from broken_convnets.sandbox.job import Answer, JobResult, JobStatus

ANSWER_BYTES = 4 << 20  # of one answer as JSON
QUOTED_CHARACTERS = 200  # of what a process printed last


class QueuedJob(Struct, frozen=True):
    """A job as a runner's process receives it: the payload is not decoded yet."""

    number: int
    call: str
    payload: Raw
    isolated: bool = True
    batch: int = 1


class EncodedResult(Struct, frozen=True, tag="result"):
    """A job's result as a fork server sends it: the answer is not decoded yet.

    `answer` is JSON, `null` unless the job is done. msgspec has no union of Raw and None.
    """

    job: int
    status: JobStatus
    detail: str = ""
    answer: Raw = Raw(b"null")


class JobStarted(Struct, frozen=True, tag="started"):
    """What a fork server sends just before the process of a job exists."""

    job: int


Message = EncodedResult | JobStarted


class ServerStart(Struct, frozen=True):
    """What a fork server sends first: why it cannot run jobs, or an empty text if it can.

    `isolation` says how it isolates programs, and `folder` is where they work.
    """

    error: str = ""
    isolation: str = ""
    folder: str = ""


def result_of_ended(job: int, exit_code: int, answer: bytes, printed: bytes) -> EncodedResult:
    """Return the result of a job whose process has ended by itself.

    The job is done if the process wrote one JSON value of at most ANSWER_BYTES and ended with
    exit code 0 (negative: the signal that killed it). Otherwise `detail` quotes its last line.
    """
    if exit_code:
        return EncodedResult(job, JobStatus.CRASHED, _without_result(exit_code, printed))
    if len(answer) > ANSWER_BYTES:
        detail = f"the result is larger than {ANSWER_BYTES >> 20} MiB"
        return EncodedResult(job, JobStatus.CRASHED, detail)
    try:
        msgspec.json.decode(answer)
    except msgspec.DecodeError:
        return EncodedResult(job, JobStatus.CRASHED, _without_result(exit_code, printed))
    return EncodedResult(job, JobStatus.DONE, answer=Raw(answer))


def _without_result(exit_code: int, printed: bytes) -> str:
    how = signal.strsignal(-exit_code) if exit_code < 0 else f"exit status {exit_code}"
    lines = printed.decode(errors="replace").strip().splitlines()
    last = f": {lines[-1][:QUOTED_CHARACTERS]}" if lines else ""
    return f"the process ended without a result ({how}){last}"


def decoded(result: EncodedResult, schema: type[Answer]) -> JobResult[Answer]:
    """Return a result with its answer decoded; an answer of another type counts as a crash."""
    if result.status is not JobStatus.DONE:
        return JobResult(result.job, result.status, result.detail)
    try:
        answer = msgspec.json.decode(result.answer, type=schema)
    except msgspec.DecodeError as error:
        detail = f"the process wrote an invalid result: {error}"
        return JobResult(result.job, JobStatus.CRASHED, detail)
    return JobResult(result.job, result.status, answer=answer)
