"""A second process inside a job, for code that must not reach the job's own process.

A job that judges untrusted code forks it off before it runs: the job's process stays trusted, has
the answer's pipe to itself, and exchanges bytes with the other one over a socket.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = struct.Struct("!Q")  # of a message: its length in bytes
MESSAGE_BYTES = 1 << 30
CHANNEL = 3  # the only descriptor of the other process after the standard streams
READ_BYTES = 1 << 20


class Confined:
    """Code that answers requests: in a process of its own where this system can fork safely.

    Elsewhere it answers in this process, which is then not protected from it.
    """

    def __init__(self, start: Callable[[], Callable[[bytes], bytes]]) -> None:
        """Call `start` in the other process; what it returns answers each request."""
        self._handle: Callable[[bytes], bytes] | None = None
        self._pid = 0
        if sys.platform == "linux":
            self._fork(start)
        else:
            self._handle = start()

    def _fork(self, start: Callable[[], Callable[[bytes], bytes]]) -> None:
        self._channel, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            _become_confined(start, theirs)
        theirs.close()

    def ask(self, request: bytes) -> bytes:
        """Return the answer to a request; if the other process ends, end like it."""
        if self._handle is not None:
            return self._handle(request)
        try:
            send(self._channel, request)
            return receive(self._channel)
        except (EOFError, ConnectionError):
            self._end_like_it()

    def _end_like_it(self) -> NoReturn:
        """End without an answer, with its exit status or signal, which the server then reports."""
        _, status = os.waitpid(self._pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            with contextlib.suppress(OSError):  # SIGKILL has no handler
                signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        os._exit(max(0, code))


def send(channel: socket.socket, message: bytes) -> None:
    """Write one message."""
    channel.sendall(HEADER.pack(len(message)) + message)


def receive(channel: socket.socket) -> bytes:
    """Read one message; raises EOFError if the other end closes, ValueError if it is too long."""
    (size,) = HEADER.unpack(_read(channel, HEADER.size))
    if size > MESSAGE_BYTES:
        message = f"a message of {size} bytes is too long"
        raise ValueError(message)
    return _read(channel, size)


def _read(channel: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = channel.recv(min(size - len(data), READ_BYTES))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


def _become_confined(
    start: Callable[[], Callable[[bytes], bytes]], channel: socket.socket
) -> NoReturn:
    """Answer requests until the channel closes, and never return to the caller's code."""
    status = 70
    try:
        channel = _only(channel)
        handle = start()
        while True:
            send(channel, handle(receive(channel)))
    except (EOFError, ConnectionError):
        status = 0
    except BaseException:  # noqa: BLE001  (it must never run the code of the job)
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def _only(channel: socket.socket) -> socket.socket:
    """Close every descriptor but the standard streams and the channel, and leave the parent.

    From here on this process ends with its parent, and can neither trace nor signal it where
    Landlock is there.
    """
    from broken_convnets.sandbox import landlock, processes  # noqa: PLC0415  (Linux alone)

    processes.prctl(processes.PR_SET_PDEATHSIG, signal.SIGKILL)
    version = landlock.abi()
    if version:
        landlock.leave_domain(version)
    os.dup2(channel.fileno(), CHANNEL)
    if channel.fileno() != CHANNEL:
        channel.detach()
    os.closerange(CHANNEL + 1, 1 << 16)
    return socket.socket(fileno=CHANNEL)
