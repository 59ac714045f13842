"""The fork server, as seen from the process that starts it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.errors import RunnerError
from broken_convnets.sandbox import calls
from broken_convnets.sandbox.interpreter import Interpreter
from broken_convnets.sandbox.job import Answer, Job, JobResult, Limits, ServerStart
from broken_convnets.sandbox.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class ForkServer(Runner):
    """A warm process that forks one child per job (`fork_server.py`)."""

    isolation = "a fork per program"

    def __init__(self, limits: Limits, python: str = sys.executable) -> None:
        """Start the server and wait until it has preloaded its modules: seconds for torch.

        Raises RunnerError if `python` cannot be started, or cannot import a module.
        """
        self._limits = limits
        ours, theirs = socket.socketpair()
        self._interpreter = Interpreter(python)
        try:
            self._process = self._interpreter.start(
                f"{__package__}.fork_server",
                str(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is for us alone
            )
        except RunnerError:
            self._interpreter.close()
            ours.close()
            raise
        finally:
            theirs.close()
        self._channel = ours
        self._lines = ours.makefile("rb")
        try:
            self._send([limits])
            started = msgspec.json.decode(self._receive(), type=ServerStart)
            if started.error:
                raise RunnerError(started.error)
        except BaseException:
            self._process.terminate()  # while it imports modules it does not watch the socket
            self.close()
            raise

    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        """Yield a result for each job; raises RunnerError if the server dies."""
        # A full queue ahead keeps every worker busy; all at once could fill both sockets.
        ahead, rest = jobs[: 8 * self._limits.workers], iter(jobs[8 * self._limits.workers :])
        self._send(ahead)
        for _ in range(len(jobs)):
            raw = msgspec.json.decode(self._receive(), type=calls.EncodedResult)
            following = next(rest, None)
            if following is not None:
                self._send([following])
            yield calls.decoded(raw, schema)

    def close(self) -> None:
        """Close the socket, at which the server kills its children, and wait for its end."""
        self._lines.close()
        self._channel.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._interpreter.close()

    def _send(self, messages: Sequence[msgspec.Struct]) -> None:
        with contextlib.suppress(BrokenPipeError):  # _receive says what happened
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
