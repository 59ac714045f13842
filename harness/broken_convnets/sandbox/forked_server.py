"""A fork server that is a fork of this process: ready at once, with all that is imported here."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import traceback
from typing import TYPE_CHECKING

from broken_convnets.sandbox import fork_server
from broken_convnets.sandbox.fork_client import ForkServer

if TYPE_CHECKING:
    import socket

    from broken_convnets.sandbox.connection import ServerProcess

NAME = "fork server"  # in messages


class ForkedServer(ForkServer):
    """Forks this process, which must not have started a thread.

    torch starts some at its first backward pass, so open it before anything runs. For the same
    reason there is one server only: `run` raises RunnerError if it dies.
    """

    restarts = False

    def _start(self, theirs: socket.socket, ours: socket.socket) -> ServerProcess:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            return ForkedProcess(pid)
        status = 1
        try:
            os.setsid()  # Ctrl-C in the terminal is for the parent alone
            ours.close()  # else the parent's end stays open here, and no close is seen
            with open(os.devnull, "rb") as null:  # noqa: PTH123  (a descriptor is what is wanted)
                os.dup2(null.fileno(), 0)
            fork_server.serve(theirs)
            status = 0
        except BaseException:  # noqa: BLE001  (a child must never run the parent's code)
            traceback.print_exc()
        finally:
            os._exit(status)


class ForkedProcess:
    """A child process, with the methods of `subprocess.Popen` that a runner uses."""

    def __init__(self, pid: int) -> None:
        """Follow the child with this process id."""
        self.pid = pid
        self._status: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status; raises subprocess.TimeoutExpired after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._status is None:
            ended, status = os.waitpid(self.pid, 0 if deadline is None else os.WNOHANG)
            if ended:
                self._status = os.waitstatus_to_exitcode(status)
            elif deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(cmd=NAME, timeout=timeout or 0.0)
            else:
                time.sleep(0.01)
        return self._status

    def terminate(self) -> None:
        """Ask the child to end."""
        self._signal(15)

    def kill(self) -> None:
        """Kill the child."""
        self._signal(9)

    def _signal(self, number: int) -> None:
        if self._status is None:
            os.kill(self.pid, number)
