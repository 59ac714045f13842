"""A client's connection to one fork server: messages, and how it finds that the server is gone."""

from __future__ import annotations

import contextlib
import select
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Protocol

import msgspec
import psutil

from broken_convnets.sandbox import wire

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from broken_convnets.sandbox.job import Limits

LOOK_EVERY = 1.0  # seconds of silence between looks at the process of the server
GRACE = 60.0  # seconds more than the longest job after which a silent server counts as hung
CHUNK = 1 << 20


class ServerDiedError(Exception):
    """The server has ended, or was killed because it was stopped or silent; the text says which."""


class ServerProcess(Protocol):
    """What a connection asks of the process of its server, as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int:
        """Return its process id."""

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status; raises subprocess.TimeoutExpired after `timeout` seconds."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """Kill it."""


class Connection:
    """Sends jobs to a server and receives its messages."""

    def __init__(self, process: ServerProcess, channel: socket.socket, limits: Limits) -> None:
        """Talk to a started `process` over `channel`."""
        self._process = process
        self._channel = channel
        self._patience = limits.wall_seconds + GRACE
        self._heard = time.monotonic()  # when it last sent something, or got something to do
        self._partial = b""  # received, and not a whole line yet
        self._unsent = b""
        self._channel.settimeout(0)  # non-blocking
        self._folder = ""

    def open(self, limits: Limits) -> wire.ServerStart:
        """Send the limits; return what the server says once it has preloaded its modules."""
        self.send([limits])
        try:
            while (line := self._line(LOOK_EVERY, float("inf"))) is None:
                pass
            start = msgspec.json.decode(line, type=wire.ServerStart)
        except BaseException:
            self._process.terminate()  # while it imports modules it does not watch the socket
            raise
        self._folder = start.folder
        return start

    def send(self, messages: Sequence[msgspec.Struct]) -> None:
        """Send messages as far as the server reads; `receive` sends the rest."""
        if messages:
            self._heard = time.monotonic()
        self._unsent += b"".join(msgspec.json.encode(m) + b"\n" for m in messages)
        self._write()

    def receive(self, wait: float = LOOK_EVERY) -> wire.Message | None:
        """Return the next message, None after `wait` seconds without one; raises ServerDiedError.

        A server that has something to do, and is silent for too long, has died.
        """
        line = self._line(wait, self._patience)
        if line is None:
            return None
        message: wire.Message = msgspec.json.decode(line, type=wire.EncodedResult | wire.JobStarted)
        return message

    def fileno(self) -> int:
        """Return the descriptor to wait for with `select`."""
        return self._channel.fileno()

    def close(self) -> None:
        """Close the socket, at which the server kills its children, and wait until it ends."""
        self._channel.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._folder:  # a killed server leaves it
            shutil.rmtree(self._folder, ignore_errors=True)

    def _line(self, wait: float, patience: float) -> bytes | None:
        while b"\n" not in self._partial:
            ready = self._wait(wait)
            if ready & select.POLLOUT:
                self._write()
            if ready & ~select.POLLOUT:  # data, or the end of the connection
                self._read()
            elif not ready:
                self._require_alive(patience)
                return None
        line, _, self._partial = self._partial.partition(b"\n")
        return line

    def _wait(self, seconds: float) -> int:
        """Return what the socket is ready for, as flags of `select.poll`; 0 after `seconds`."""
        poll = select.poll()
        poll.register(self._channel, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        return sum(events for _, events in poll.poll(seconds * 1000))

    def _require_alive(self, patience: float) -> None:
        """Raise ServerDiedError if the server is stopped, or silent for `patience` seconds."""
        silent = time.monotonic() - self._heard
        if silent >= LOOK_EVERY and self._is_stopped():
            self._end("it was stopped")
        if silent > patience:
            self._end(f"it was silent for {patience:g} s")

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[self._channel.send(self._unsent) :]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):  # `_read` reports it
            self._unsent = b""

    def _read(self) -> None:
        try:
            data = self._channel.recv(CHUNK)
        except ConnectionResetError:  # it died before it read all that was sent
            data = b""
        if not data:
            message = f"exit {self._process.wait()}"
            raise ServerDiedError(message)
        self._heard = time.monotonic()
        self._partial += data

    def _is_stopped(self) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return bool(psutil.Process(self._process.pid).status() == psutil.STATUS_STOPPED)
        return False

    def _end(self, reason: str) -> None:
        self._process.kill()
        self._process.wait()
        raise ServerDiedError(reason)
