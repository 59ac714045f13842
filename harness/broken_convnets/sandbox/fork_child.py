"""One job in a forked child: start it, read its answer and output, return how it ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.sandbox import accounting, calls, processes
from broken_convnets.sandbox.job import JobStatus
from broken_convnets.sandbox.wire import ANSWER_BYTES, EncodedResult, result_of_ended

if TYPE_CHECKING:
    from broken_convnets.sandbox.isolation import Isolation
    from broken_convnets.sandbox.job import Limits
    from broken_convnets.sandbox.wire import QueuedJob

ANSWER_PIPE = 3  # the child's descriptor after the standard streams
PIPE_BYTES = 1 << 16  # the capacity of a pipe
READS_AT_ONCE = 16  # so that one child's flood does not keep the server from the others


class Child:
    """The process of one job, and what has been read from it so far."""

    def __init__(
        self, job: QueuedJob, limits: Limits, scratch: Path, isolation: Isolation | None
    ) -> None:
        """Fork; the child works in `scratch` and never returns from here."""
        self._job = job
        self._limits = limits
        self._scratch = scratch
        self._answer = bytearray()
        self._printed = bytearray()
        self._deadline = time.monotonic() + limits.wall_seconds
        self._memory = accounting.Memory(limits.memory_bytes)
        answer_read, answer_write = os.pipe()
        printed_read, printed_write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _become_child(job, scratch, isolation, answer_write, printed_write)
        os.close(answer_write)
        os.close(printed_write)
        for pipe in (answer_read, printed_read):
            os.set_blocking(pipe, False)
        # What to wait for: the end of the process, its answer, its output.
        self.descriptors = (os.pidfd_open(self.pid), answer_read, printed_read)

    def read(self) -> list[int]:
        """Read what the pipes hold now; return those whose other end is closed."""
        _, answer, printed = self.descriptors
        ended = []
        if _drain(answer, self._answer, ANSWER_BYTES + 1):  # one more shows that it is too long
            ended.append(answer)
        if _drain(printed, self._printed, self._limits.output_bytes):
            ended.append(printed)
        return ended

    def exceeded(self) -> EncodedResult | None:
        """Return the result for a job that is beyond one of its limits; None within them."""
        number, limits = self._job.number, self._limits
        below = accounting.descendants(self.pid)
        if len(below) > limits.processes:
            started = f"started more than {limits.processes} processes"
            return EncodedResult(number, JobStatus.CRASHED, started)
        if self._memory.exceeded(self.pid, below):
            size = f"{limits.memory_bytes / (1 << 30):g} GiB"
            return EncodedResult(number, JobStatus.CRASHED, f"exceeded the memory limit of {size}")
        if accounting.processor_seconds(self.pid, below) > limits.seconds:
            used = f"used more than {limits.seconds:g} s of processor time"
            return EncodedResult(number, JobStatus.TIMEOUT, used)
        if time.monotonic() > self._deadline:
            waited = f"still running after {limits.wall_seconds:g} s"
            return EncodedResult(number, JobStatus.TIMEOUT, waited)
        return None

    def result(self, exit_code: int) -> EncodedResult:
        """Return the result of a job whose process has ended with this exit code."""
        return result_of_ended(
            self._job.number, exit_code, bytes(self._answer), bytes(self._printed)
        )

    def kill(self) -> None:
        """Kill the child and every process of its session."""
        for kill in (os.killpg, os.kill):  # the group exists only once the child has made it
            with contextlib.suppress(ProcessLookupError):
                kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Close its descriptors and delete its folder."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        shutil.rmtree(self._scratch, ignore_errors=True)


def _become_child(
    job: QueuedJob, scratch: Path, isolation: Isolation | None, answer: int, printed: int
) -> None:
    """Detach from the server, run the job, write its answer, and end the process."""
    status = 70  # EX_SOFTWARE: the function raised; its traceback is in the output
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        processes.prctl(processes.PR_SET_PDEATHSIG, signal.SIGKILL)
        # A daemon that it starts stays below it, so that it counts as this job's.
        processes.prctl(processes.PR_SET_CHILD_SUBREAPER, 1)
        os.chdir(scratch)
        Path("/proc/self/oom_score_adj").write_bytes(b"1000")  # text would load a codec
        if isolation:
            isolation.enter(scratch)
        _redirect(answer, printed)
        encoded = calls.run(job)
        with os.fdopen(ANSWER_PIPE, "wb") as pipe:
            pipe.write(encoded)
        status = 0
    except BaseException:  # noqa: BLE001  (a child must never run the server's code)
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _redirect(answer: int, printed: int) -> None:
    """Connect the standard streams and the answer's pipe; close all else that was inherited."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    os.dup2(answer, ANSWER_PIPE)
    os.closerange(ANSWER_PIPE + 1, 1 << 16)


def _drain(pipe: int, into: bytearray, limit: int) -> bool:
    """Read what a pipe holds, keep the first `limit` bytes; return whether it has ended."""
    with contextlib.suppress(BlockingIOError):
        for _ in range(READS_AT_ONCE):
            data = os.read(pipe, PIPE_BYTES)
            if not data:
                return True
            into += data[: max(0, limit - len(into))]
    return False
