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

from ..environment import environment
from ..errors import RunnerError
from ..facts import End, Ending, Hello, Job, Limits, Observation
from .runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STARTUP_SECONDS = 30.0  # a fresh interpreter loads torch within its time limit
TORCH_BYTES = 1 << 30  # and within its memory limit


class FreshInterpreters(Runner):
    """A new interpreter for each job (`child.py`): seconds each, but it works anywhere.

    What a program prints is dropped.
    """

    def __init__(self, limits: Limits) -> None:
        """Ask one interpreter what is here: seconds."""
        self._limits = limits
        self._stopped = False
        end, answer = self._ask(b"", seconds=120)
        if end is not End.OBSERVED:
            message = f"torch cannot be loaded: {answer.decode(errors='replace')}"
            raise RunnerError(message)
        self.hello = msgspec.json.decode(answer, type=Hello)

    def run(self, jobs: Sequence[Job]) -> Iterator[Ending]:
        """Yield an ending for each job."""
        with ThreadPoolExecutor(self._limits.workers) as pool:
            futures = [pool.submit(self._run_one, job) for job in jobs]
            try:
                for future in as_completed(futures):
                    yield future.result()
            finally:
                self._stopped = True
                pool.shutdown(wait=False, cancel_futures=True)
        self._stopped = False

    def _run_one(self, job: Job) -> Ending:
        end, answer = self._ask(msgspec.json.encode(job), self._limits.seconds)
        if end is End.OBSERVED:
            try:
                facts = msgspec.json.decode(answer, type=Observation)
            except msgspec.DecodeError:
                end, answer = End.CRASHED, b"the process ended without a result"
            else:
                return Ending(job.number, end, observation=facts)
        return Ending(job.number, end, answer.decode(errors="replace"))

    def _ask(self, question: bytes, seconds: float) -> tuple[End, bytes]:
        """Return how a child ended, with its answer, or with the reason for its end."""
        with tempfile.TemporaryDirectory(prefix="broken-convnets-") as scratch:
            answer = Path(scratch) / "answer"
            with answer.open("wb") as stream:
                child = subprocess.Popen(
                    [sys.executable, "-m", f"{__package__}.child"],
                    stdin=subprocess.PIPE,
                    stdout=stream,
                    stderr=subprocess.DEVNULL,
                    cwd=scratch,
                    env=environment(),
                )
            with contextlib.suppress(BrokenPipeError), child.stdin as pipe:  # type: ignore[union-attr]  # a pipe, as asked for
                pipe.write(question)
            reason = self._watch(child, seconds + STARTUP_SECONDS)
            if reason is not None:
                return reason
            if child.returncode:
                how = f"the process ended without a result (exit status {child.returncode})"
                return End.CRASHED, how.encode()
            return End.OBSERVED, answer.read_bytes()

    def _watch(self, child: subprocess.Popen[bytes], seconds: float) -> tuple[End, bytes] | None:
        """Wait for a child; kill it, and say why, where it outgrows a limit."""
        deadline = time.monotonic() + seconds
        bound = self._limits.memory_bytes + TORCH_BYTES
        while child.poll() is None:
            reason = None
            if time.monotonic() > deadline or self._stopped:
                reason = End.TIMEOUT, f"still running after {self._limits.seconds:g} s".encode()
            elif _memory(child.pid) > bound:
                size = f"{self._limits.memory_bytes / (1 << 30):g} GiB"
                reason = End.CRASHED, f"took more than {size} of memory".encode()
            if reason:
                child.kill()
                child.wait()
                return reason
            time.sleep(0.02)
        return None

    def close(self) -> None:
        """Let running children be killed."""
        self._stopped = True


def _memory(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
