"""Run jobs, each in a process of its own with limits, and yield what became of them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import msgspec
import psutil

from .facts import End, Ending, Hello, Job, Limits, Observation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

PACKAGE = Path(__file__).parent


class RunnerError(Exception):
    """The processes that run programs could not be started, or went away."""


class Runner(Protocol):
    """Runs jobs in isolation; a context manager, usable for one `run` after another."""

    hello: Hello

    def run(self, jobs: Sequence[Job]) -> Iterator[Ending]:
        """Yield an ending for each job, in the order in which they end."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill what still runs."""


def open_runner(limits: Limits) -> Runner:
    """Return the fastest runner there is here: forks on Linux, else fresh interpreters.

    Raises RunnerError where torch cannot be loaded.
    """
    return ForkServer(limits) if sys.platform == "linux" else FreshInterpreters(limits)


class ForkServer:
    """A warm process that forks one child per job (`server.py`)."""

    def __init__(self, limits: Limits) -> None:
        """Start the server and wait until it has loaded torch: seconds."""
        self._limits = limits
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", f"{__package__}.server", str(theirs.fileno())]
        self._process = subprocess.Popen(  # noqa: S603
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,  # Ctrl-C in the terminal is for us alone
        )
        theirs.close()
        self._channel = ours
        self._lines = ours.makefile("rb")
        try:
            self._send([limits])
            self.hello = msgspec.json.decode(self._receive(), type=Hello)
        except BaseException:
            self.close()
            raise

    def run(self, jobs: Sequence[Job]) -> Iterator[Ending]:
        """Yield an ending for each job; raises RunnerError if the server dies."""
        # A full queue ahead keeps every worker busy; all at once could fill both sockets.
        ahead, rest = jobs[: 8 * self._limits.workers], iter(jobs[8 * self._limits.workers :])
        self._send(ahead)
        for _ in range(len(jobs)):
            ending = msgspec.json.decode(self._receive(), type=Ending)
            following = next(rest, None)
            if following is not None:
                self._send([following])
            yield ending

    def close(self) -> None:
        """Close the socket, at which the server kills its children, and wait for its end."""
        self._lines.close()
        self._channel.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, messages: Sequence[msgspec.Struct]) -> None:
        with contextlib.suppress(BrokenPipeError):  # _receive says what happened
            self._channel.sendall(b"".join(msgspec.json.encode(m) + b"\n" for m in messages))

    def _receive(self) -> bytes:
        line = self._lines.readline()
        if not line:
            message = f"the fork server ended (exit {self._process.wait()}); its words are above"
            raise RunnerError(message)
        return line

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the server."""
        self.close()


class FreshInterpreters:
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
                child = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-m", f"{__package__}.child"],
                    stdin=subprocess.PIPE,
                    stdout=stream,
                    stderr=subprocess.DEVNULL,
                    cwd=scratch,
                    env=_environment(),
                )
            with contextlib.suppress(BrokenPipeError), child.stdin as pipe:  # type: ignore[union-attr]
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

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let running children be killed."""
        self._stopped = True


STARTUP_SECONDS = 30.0  # a fresh interpreter loads torch within its time limit
TORCH_BYTES = 1 << 30  # and within its memory limit


def _memory(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _environment() -> dict[str, str]:
    """Return an environment in which this package can be imported and hashing is repeatable."""
    paths = [str(PACKAGE.parent), *sys.path[1:]]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    }
