"""The runner that starts a fork server and sends it jobs."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import msgspec

from broken_convnets.errors import RunnerError
from broken_convnets.sandbox import wire
from broken_convnets.sandbox.interpreter import Interpreter
from broken_convnets.sandbox.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from broken_convnets.sandbox.job import Answer, Job, JobResult, Limits

QUEUED_PER_WORKER = 8  # keeps every worker busy; all jobs at once could fill both sockets


class ServerProcess(Protocol):
    """What a runner asks of the process of its server, as `subprocess.Popen` has it."""

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status; raises subprocess.TimeoutExpired after `timeout` seconds."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """Kill it."""


class ForkServer(Runner):
    """A process with modules preloaded that forks one child per job (`fork_server.py`)."""

    isolation = "a fork per program"

    def __init__(self, limits: Limits, python: str = sys.executable) -> None:
        """Start the server and wait until it has preloaded its modules: seconds for torch.

        Raises RunnerError if `python` cannot be started, or cannot import a module.
        """
        self._limits = limits
        self._sent = 0
        self._interpreter = Interpreter(python)
        self._channel, theirs = socket.socketpair()
        self._lines = self._channel.makefile("rb")
        try:
            with theirs:
                self._process = self._start(theirs)
        except RunnerError:
            self._disconnect()
            self._interpreter.close()
            raise
        self._wait_until_ready()

    def _start(self, channel: socket.socket) -> ServerProcess:
        return self._interpreter.start(
            f"{__package__}.fork_server",
            str(channel.fileno()),
            pass_fds=[channel.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is for this process alone
        )

    def _wait_until_ready(self) -> None:
        try:
            self._send([self._limits])
            started = msgspec.json.decode(self._receive(), type=wire.ServerStart)
        except BaseException:
            self._process.terminate()  # while it imports modules it does not watch the socket
            self.close()
            raise
        if started.error:
            self.close()
            raise RunnerError(started.error)
        if started.isolation:
            self.isolation = f"{type(self).isolation}, {started.isolation}"

    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        """Yield a result for each job; raises RunnerError if the server dies."""
        first = self._sent  # numbers of its own, so that it knows the results of an earlier run
        self._sent += len(jobs)
        numbered = (
            msgspec.structs.replace(job, number=number) for number, job in enumerate(jobs, first)
        )
        self._send(islice(numbered, QUEUED_PER_WORKER * self._limits.workers))
        for _ in jobs:
            result = self._next_result(first)
            self._send(islice(numbered, 1))
            number = jobs[result.job - first].number
            yield wire.decoded(msgspec.structs.replace(result, job=number), schema)

    def _next_result(self, first: int) -> wire.EncodedResult:
        """Return the next result, but for those of runs that the caller abandoned."""
        while True:
            result = msgspec.json.decode(self._receive(), type=wire.EncodedResult)
            if result.job >= first:
                return result

    def close(self) -> None:
        """Close the socket, at which the server kills its children, and wait until it ends."""
        self._disconnect()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._interpreter.close()

    def _disconnect(self) -> None:
        self._lines.close()
        self._channel.close()

    def _send(self, messages: Iterable[msgspec.Struct]) -> None:
        with contextlib.suppress(BrokenPipeError):  # _receive reports it
            self._channel.sendall(b"".join(msgspec.json.encode(m) + b"\n" for m in messages))

    def _receive(self) -> bytes:
        try:
            line = self._lines.readline()
        except ConnectionResetError:  # it died before it read all that was sent
            line = b""
        if not line:
            message = f"the fork server died (exit {self._process.wait()}); see its output above"
            raise RunnerError(message)
        return line
