"""What callers of the sandbox exchange with it: a job to run, its limits, and its result."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Generic, TypeVar

from msgspec import Struct

Answer = TypeVar("Answer")


class Limits(Struct, frozen=True, kw_only=True):
    """What one job may use, how many jobs run at a time, and what to import before the first.

    `preload` names modules that are imported before any job runs. Such a module may define
    `configure()`, called after its import, and `warm_up()`, called only in a process that is
    going to be forked. What each fork needs, a module registers with `os.register_at_fork`.
    """

    seconds: float = 10.0  # of processor time, so that no job times out on a busy machine
    wall_factor: float = 6.0  # times `seconds` is the wall-clock limit: for jobs that only wait
    # On top of what the process has when the job begins; also of one file that it writes.
    memory_bytes: int = 1 << 30
    processes: int = 64  # below its own at the same time
    output_bytes: int = 1 << 16  # of stdout and stderr together; the rest is read and dropped
    workers: int = 1  # jobs that run at the same time
    preload: list[str] = []
    hash_seed: int = 0  # of the strings' hashes in the processes of a runner
    isolate: bool = True  # programs from files and network, where the system offers it
    hidden: list[str] = []  # folders that isolated jobs cannot read, unless Python needs them

    @property
    def wall_seconds(self) -> float:
        """Wall-clock time after which a job is stopped, however little it computes."""
        return self.seconds * self.wall_factor


class Job(Struct, frozen=True):
    """One call of a function in a process of its own.

    `call` is `"package.module:function"`. The function's first parameter is annotated with a
    msgspec struct, `payload` is an instance of it, and the function returns another struct. Its
    module may define `prepare(payload)`, which a fork server calls before it forks for such a
    job, so that all forks share what it loads. It must be cheap when it is called again.
    """

    number: int
    call: str
    payload: Any
    isolated: bool = True  # False: for trusted code, which may use all files and the network
    variant: int = 0  # of the runner's servers, where it has several: see `varied_runner.py`
    batch: int = 1  # how many jobs run with it; a fork server's client sets it


class JobStatus(StrEnum):
    """How the process of a job ended."""

    DONE = "done"
    TIMEOUT = "timeout"
    CRASHED = "crashed"


class JobResult(Struct, Generic[Answer], frozen=True):
    """How a job ended: with the function's `answer` if it is done, else for a reason (`detail`)."""

    job: int
    status: JobStatus
    detail: str = ""
    answer: Answer | None = None
