"""The fork server, as it is seen from the process that starts it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec

from ..environment import environment
from ..errors import RunnerError
from ..facts import Ending, Hello, Job, Limits
from .runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class ForkServer(Runner):
    """A warm process that forks one child per job (`server.py`)."""

    def __init__(self, limits: Limits) -> None:
        """Start the server and wait until it has loaded torch: seconds."""
        self._limits = limits
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", f"{__package__}.server", str(theirs.fileno())]
        self._process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=environment(),
            start_new_session=True,  # Ctrl-C in the terminal is for us alone
        )
        theirs.close()
        self._channel = ours
        self._lines = ours.makefile("rb")
        try:
            self._send([limits])
            self.hello = msgspec.json.decode(self._receive(), type=Hello)
        except BaseException:
            self._process.terminate()  # while it loads torch it does not watch the socket
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
