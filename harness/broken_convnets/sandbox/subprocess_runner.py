"""Run each job in a new interpreter, for where a process with torch cannot be forked."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psutil

from broken_convnets.sandbox import calls
from broken_convnets.sandbox.interpreter import Interpreter
from broken_convnets.sandbox.job import Answer, Job, JobResult, JobStatus, Limits
from broken_convnets.sandbox.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STARTUP_SECONDS = 30.0  # a fresh interpreter loads torch within its time limit
TORCH_BYTES = 1 << 30  # and within its memory limit


class FreshInterpreters(Runner):
    """A new interpreter for each job (`child.py`): seconds each, but it works anywhere.

    What a program prints is dropped.
    """

    isolation = "a fresh interpreter per program"

    def __init__(self, limits: Limits, python: str = sys.executable) -> None:
        """Run nothing yet."""
        self._limits = limits
        self._interpreter = Interpreter(python)
        self._stopped = False

    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        """Yield a result for each job."""
        with ThreadPoolExecutor(self._limits.workers) as pool:
            futures = [pool.submit(self._run_one, job, schema) for job in jobs]
            try:
                for future in as_completed(futures):
                    yield future.result()
            finally:
                self._stopped = True
                pool.shutdown(wait=False, cancel_futures=True)
        self._stopped = False

    def _run_one(self, job: Job, schema: type[Answer]) -> JobResult[Answer]:
        status, answer = self._ask(msgspec.json.encode(job))
        if status is not JobStatus.DONE:
            return JobResult(job.number, status, answer.decode(errors="replace"))
        raw = calls.EncodedResult(job.number, status, answer=msgspec.Raw(answer))
        return calls.decoded(raw, schema)

    def _ask(self, question: bytes) -> tuple[JobStatus, bytes]:
        """Return how a child ended, with its answer or with the reason for its end."""
        with tempfile.TemporaryDirectory(prefix="broken-convnets-") as scratch:
            answer = Path(scratch) / "answer"
            with answer.open("wb") as stream:
                child = self._interpreter.start(
                    f"{__package__}.subprocess_child",
                    *self._limits.preload,
                    stdin=subprocess.PIPE,
                    stdout=stream,
                    stderr=subprocess.DEVNULL,
                    cwd=scratch,
                )
            with contextlib.suppress(BrokenPipeError), child.stdin as pipe:  # type: ignore[union-attr]  # a pipe, as asked for
                pipe.write(question)
            reason = self._watch(child)
            if reason is not None:
                return reason
            if child.returncode:
                how = f"the process ended without a result (exit status {child.returncode})"
                return JobStatus.CRASHED, how.encode()
            return JobStatus.DONE, answer.read_bytes()

    def _watch(self, child: subprocess.Popen[bytes]) -> tuple[JobStatus, bytes] | None:
        """Wait for a child; kill it, and say why, where it exceeds a limit."""
        deadline = time.monotonic() + self._limits.wall_seconds + STARTUP_SECONDS
        while child.poll() is None:
            reason = self._exceeded(child.pid, deadline)
            if reason:
                child.kill()
                child.wait()
                return reason
            time.sleep(0.02)
        return None

    def _exceeded(self, pid: int, deadline: float) -> tuple[JobStatus, bytes] | None:
        memory, processor = _used(pid)
        if processor > self._limits.seconds + STARTUP_SECONDS:
            used = f"used more than {self._limits.seconds:g} s of processor time"
            return JobStatus.TIMEOUT, used.encode()
        if time.monotonic() > deadline or self._stopped:
            return (
                JobStatus.TIMEOUT,
                f"still running after {self._limits.wall_seconds:g} s".encode(),
            )
        if memory > self._limits.memory_bytes + TORCH_BYTES:
            size = f"{self._limits.memory_bytes / (1 << 30):g} GiB"
            return JobStatus.CRASHED, f"exceeded the memory limit of {size}".encode()
        return None

    def close(self) -> None:
        """Let running children be killed."""
        self._stopped = True
        self._interpreter.close()


def _used(pid: int) -> tuple[int, float]:
    """Return the bytes of memory and the seconds of processor time that a process has used."""
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        return int(process.memory_info().rss), float(times.user + times.system)
    except psutil.Error:
        return 0, 0.0
