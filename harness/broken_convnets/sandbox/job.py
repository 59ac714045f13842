"""What the sandbox exchanges with its callers: a job to run, its limits, and its result."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Generic, TypeVar

from msgspec import Struct

Answer = TypeVar("Answer")


class Limits(Struct, frozen=True):
    """What one job may use, how many run at a time, and what to load before the first one.

    `preload` names modules that are imported before a job runs. Such a module may define
    `configure()`, called after its import, and `warm_up()`, called where the process is going
    to be forked. What each fork needs it registers with `os.register_at_fork`.
    """

    seconds: float = 10.0  # of processor time: a busy machine makes no job time out
    wall_factor: float = 6.0  # times `seconds` on the clock, for jobs that sleep or wait
    memory_bytes: int = 1 << 30  # beyond what the process starts with
    output_bytes: int = 1 << 16  # of stdout and stderr; the rest is read and dropped
    workers: int = 1
    preload: list[str] = []

    @property
    def wall_seconds(self) -> float:
        """How long a job may take on the clock."""
        return self.seconds * self.wall_factor


class Job(Struct, frozen=True):
    """One call of a function in a process of its own.

    `call` is `"package.module:function"`. The function takes one msgspec struct, `payload`, and
    returns another. Its module may define `prepare(payload)`, which a fork server calls before
    the forks of such jobs: what it loads, the forks share. It must be cheap when called again.
    """

    number: int
    call: str
    payload: Any


class JobStatus(StrEnum):
    """How the process of a job ended."""

    DONE = "done"
    TIMEOUT = "timeout"
    CRASHED = "crashed"


class JobResult(Struct, Generic[Answer], frozen=True):
    """What became of a job: `answer` where it is done, else the reason in `detail`."""

    job: int
    status: JobStatus
    detail: str = ""
    answer: Answer | None = None


class ServerStart(Struct, frozen=True):
    """What a fork server sends first: why it cannot run jobs, or nothing where it can."""

    error: str = ""
