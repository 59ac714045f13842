"""Start timing workers, under any interpreter, and talk to them with a time limit."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Never, Self

import msgspec

from broken_convnets.commands.bench.protocol import (
    Close,
    Failed,
    Open,
    Opened,
    Ready,
    Reply,
    Request,
    Target,
    Time,
    Times,
)
from broken_convnets.errors import RunnerError
from broken_convnets.util.environment import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

START_SECONDS = 180.0  # loading torch for the first time on a slow disk
ANSWER_SECONDS = 60.0
TOP = __name__.partition(".")[0]  # the package has two names


class CannotTime(Exception):  # noqa: N818  (a fact about a program, which a report tells)
    """A program cannot be timed; the message says why."""


class Worker:
    """One worker process; use it as a context manager."""

    def __init__(self, python: str, device: str) -> None:
        """Start it; `wait` says when it is there. Raises RunnerError where it cannot be."""
        self._python = python
        self._device = device
        # A path with nothing but this package: the other interpreter has its own torch.
        self._path = tempfile.TemporaryDirectory(prefix="broken-convnets-")
        (Path(self._path.name) / TOP).symlink_to(PACKAGE, target_is_directory=True)
        self._fingerprint: dict[str, str] = {}
        self._start()

    def _start(self) -> None:
        self._partial = b""
        try:
            self._process = subprocess.Popen(
                [self._python, "-P", "-m", f"{TOP}.timing.worker", self._device],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=self._environment(),
                start_new_session=True,  # Ctrl-C in the terminal is for us alone
            )
        except OSError as error:
            self._path.cleanup()
            message = f"{self._python} cannot be started: {error.strerror}"
            raise RunnerError(message) from None

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": self._path.name,
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        }

    def wait(self) -> dict[str, str]:
        """Return the fingerprint under which it times, once it has loaded torch.

        Raises RunnerError where it cannot.
        """
        if not self._fingerprint:
            self._fingerprint = self._greeting()
        return self._fingerprint

    def _greeting(self) -> dict[str, str]:
        try:
            reply = self._receive(START_SECONDS)
        except CannotTime as error:
            words = self._last_words()
            message = f"{self._python} cannot time programs: {words or error}"
            raise RunnerError(message) from None
        if not isinstance(reply, Ready):
            reason = reply.reason if isinstance(reply, Failed) else "it does not say what it is"
            message = f"{self._python} cannot time programs: {reason}"
            raise RunnerError(message)
        return reply.fingerprint

    def open(self, targets: dict[str, Target]) -> dict[str, float]:
        """Load programs and return the least time of a call of each, in nanoseconds.

        Raises CannotTime where one of them fails.
        """
        if self._process.poll() is not None:  # killed because it did not answer
            self._close_streams()
            self._start()
            self._greeting()
        reply = self._ask(Open(targets))
        return reply.ns if isinstance(reply, Opened) else self._fail(reply)

    def time(self, names: Sequence[str], repeat: int) -> list[float]:
        """Return a sample for each name in order, in nanoseconds a call.

        Raises CannotTime where a program fails.
        """
        reply = self._ask(Time(list(names), repeat))
        return reply.ns if isinstance(reply, Times) else self._fail(reply)

    def close_programs(self) -> None:
        """Let go of the programs that were opened."""
        self._send(Close())

    def _fail(self, reply: Reply) -> Never:
        raise CannotTime(reply.reason if isinstance(reply, Failed) else "a strange answer")

    def _ask(self, request: Request) -> Reply:
        self._send(request)
        return self._receive(ANSWER_SECONDS)

    def _send(self, request: Request) -> None:
        with suppress(BrokenPipeError):  # _receive says what happened
            self._process.stdin.write(msgspec.json.encode(request) + b"\n")  # type: ignore[union-attr]  # a pipe, as asked for

    def _receive(self, seconds: float) -> Reply:
        stdout = self._process.stdout.fileno()  # type: ignore[union-attr]  # likewise
        deadline = time.monotonic() + seconds
        while b"\n" not in self._partial:
            ready, _, _ = select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                self.kill()
                message = f"no answer in {seconds:g} s"
                raise CannotTime(message)
            data = os.read(stdout, 1 << 16)
            if not data:
                message = f"the worker ended (exit {self._process.wait()})"
                raise CannotTime(message)
            self._partial += data
        line, _, self._partial = self._partial.partition(b"\n")
        try:
            reply: Reply = msgspec.json.decode(line, type=Reply)
        except msgspec.DecodeError:
            message = "a strange answer"
            raise CannotTime(message) from None
        return reply

    def _last_words(self) -> str:
        said = self._process.stderr.read() if self._process.poll() is not None else b""  # type: ignore[union-attr]  # likewise
        lines = said.decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else ""

    def kill(self) -> None:
        """End it and its child."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.kill()
        self._close_streams()
        self._path.cleanup()

    def _close_streams(self) -> None:
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
