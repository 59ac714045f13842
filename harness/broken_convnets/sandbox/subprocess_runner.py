"""The runner that starts a new interpreter for each job: slow, but it works on every system."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import msgspec
import psutil

from broken_convnets.sandbox import wire
from broken_convnets.sandbox.interpreter import Interpreter
from broken_convnets.sandbox.job import JobStatus
from broken_convnets.sandbox.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import IO

    from broken_convnets.sandbox.job import Answer, Job, JobResult, Limits

CHECK_EVERY = 0.02  # seconds between looks at a process
# A new interpreter imports the preloaded modules within its limits: torch takes most of this.
START_SECONDS = 30.0
START_BYTES = 1 << 30


class SubprocessRunner(Runner):
    """A new interpreter for each job (`subprocess_child.py`): seconds each if it loads torch.

    What a program prints is dropped. Processes that a program started are killed with it if it
    exceeds a limit; those that outlive it are left alone.
    """

    isolation = "a new interpreter per program"

    def __init__(self, limits: Limits, python: str = sys.executable) -> None:
        """Start nothing yet; `run` raises RunnerError if `python` cannot be started."""
        self._limits = limits
        self._interpreter = Interpreter(python, limits.hash_seed)
        self._stop = Event()

    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        """Yield a result for each job."""
        stop = self._stop = Event()
        with ThreadPoolExecutor(self._limits.workers) as pool:
            futures = [pool.submit(self._run_one, job, stop) for job in jobs]
            try:
                for future in as_completed(futures):
                    yield wire.decoded(future.result(), schema)
            finally:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Kill the processes that run now."""
        self._stop.set()
        self._interpreter.close()

    def _run_one(self, job: Job, stop: Event) -> wire.EncodedResult:
        with tempfile.TemporaryDirectory(prefix="broken-convnets-") as scratch:
            answer, errors = Path(scratch, "answer"), Path(scratch, "errors")
            with answer.open("wb") as to_answer, errors.open("wb") as to_errors:
                child = self._start(Path(scratch), to_answer, to_errors)
            with contextlib.suppress(BrokenPipeError), _stdin(child) as pipe:
                pipe.write(msgspec.json.encode(job))
            stopped = self._watch(child, job.number, stop)
            if stopped:
                return stopped
            code = child.returncode
            return wire.result_of_ended(job.number, code, _head(answer), _head(errors))

    def _start(self, folder: Path, answer: IO[bytes], errors: IO[bytes]) -> subprocess.Popen[bytes]:
        return self._interpreter.start(
            f"{__package__}.subprocess_child",
            *self._limits.preload,
            stdin=subprocess.PIPE,
            stdout=answer,
            stderr=errors,
            cwd=folder,
        )

    def _watch(
        self, child: subprocess.Popen[bytes], number: int, stop: Event
    ) -> wire.EncodedResult | None:
        """Wait for a process; kill it and return the reason if it exceeds a limit."""
        deadline = time.monotonic() + self._limits.wall_seconds + START_SECONDS
        while child.poll() is None:
            exceeded = self._exceeded(child.pid, deadline, stop)
            if exceeded:
                _kill_tree(child)
                return wire.EncodedResult(number, *exceeded)
            time.sleep(CHECK_EVERY)
        return None

    def _exceeded(self, pid: int, deadline: float, stop: Event) -> tuple[JobStatus, str] | None:
        limits, (memory, processor) = self._limits, _used(pid)
        if memory > limits.memory_bytes + START_BYTES:
            size = f"{limits.memory_bytes / (1 << 30):g} GiB"
            return JobStatus.CRASHED, f"exceeded the memory limit of {size}"
        if processor > limits.seconds + START_SECONDS:
            return JobStatus.TIMEOUT, f"used more than {limits.seconds:g} s of processor time"
        if time.monotonic() > deadline:
            return JobStatus.TIMEOUT, f"still running after {limits.wall_seconds:g} s"
        return (JobStatus.CRASHED, "stopped: its result is not wanted") if stop.is_set() else None


def _stdin(child: subprocess.Popen[bytes]) -> IO[bytes]:
    if child.stdin is None:
        message = "the process was started without a pipe to its input"
        raise ValueError(message)
    return child.stdin


def _head(file: Path) -> bytes:
    """Return the beginning of a file, one byte longer than a valid answer."""
    with file.open("rb") as stream:
        return stream.read(wire.ANSWER_BYTES + 1)


def _used(pid: int) -> tuple[int, float]:
    """Return the resident bytes and the seconds of processor time of a process; 0 if it ended."""
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        return int(process.memory_info().rss), float(times.user + times.system)
    except psutil.Error:
        return 0, 0.0


def _kill_tree(child: subprocess.Popen[bytes]) -> None:
    """Kill a process and all its descendants."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(child.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    child.kill()
    child.wait()
