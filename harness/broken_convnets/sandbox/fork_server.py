"""The fork server: a process with modules preloaded that runs each job in a child of its own.

Speaks JSON lines over one socket: limits and jobs in, its start and results out. When the
socket closes, for whatever reason, it kills what runs and ends.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

import msgspec

from broken_convnets.sandbox import calls
from broken_convnets.sandbox.calls import EncodedResult, QueuedJob
from broken_convnets.sandbox.fork_child import (
    PR_SET_CHILD_SUBREAPER,
    PR_SET_PDEATHSIG,
    Child,
    child_pids,
    prctl,
    unnamed_pages,
)
from broken_convnets.sandbox.heap import freeze_heap
from broken_convnets.sandbox.job import JobStatus, Limits, ServerStart

CHECK_EVERY = 0.05  # seconds between looks at the children's memory and processor time


class Server:
    """Runs at most `limits.workers` children at a time until its socket closes."""

    def __init__(self, channel: socket.socket, limits: Limits, scratch: Path) -> None:
        """Serve `channel`; children work in folders below `scratch`."""
        self._channel = channel
        self._limits = limits
        self._scratch = scratch
        self._waiting: deque[QueuedJob] = deque()
        self._children: dict[int, Child] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(channel, selectors.EVENT_READ, None)
        self._partial = b""
        self._memory_bound = unnamed_pages(os.getpid()) + limits.memory_bytes
        self._next_check = time.monotonic()

    def serve(self) -> None:
        """Run jobs until the other end of the socket is gone."""
        try:
            while True:
                events = self._selector.select(CHECK_EVERY)
                if any(key.data is None for key, _ in events) and not self._receive():
                    return
                children = {id(key.data): key.data for key, _ in events if key.data}
                for child in children.values():
                    self._attend(child)
                self._enforce_limits()
                self._start()
        except (BrokenPipeError, ConnectionResetError):
            return
        finally:
            for child in self._children.values():
                child.kill()
            _kill_orphans(set())

    def _receive(self) -> bool:
        data = self._channel.recv(1 << 20)
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._waiting.extend(msgspec.json.decode(line, type=QueuedJob) for line in lines)
        return bool(data)

    def _start(self) -> None:
        while self._waiting and len(self._children) < self._limits.workers:
            job = self._waiting.popleft()
            self._prepare(job)
            scratch = Path(tempfile.mkdtemp(dir=self._scratch))
            child = Child(job, self._limits, scratch)
            self._children[child.pid] = child
            for descriptor in child.descriptors:
                self._selector.register(descriptor, selectors.EVENT_READ, child)

    def _attend(self, child: Child) -> None:
        exited, status = os.waitpid(child.pid, os.WNOHANG)
        if exited:
            child.kill()  # so that what it started cannot go on filling the pipes
        for pipe in child.read():
            self._forget(pipe)
        if exited:
            self._finish(child, child.result(os.waitstatus_to_exitcode(status)))

    def _prepare(self, job: QueuedJob) -> None:
        """Load what forks can share; what is wrong with a job, its own process will say."""
        with contextlib.suppress(Exception):
            calls.prepare(job)

    def _enforce_limits(self) -> None:
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + CHECK_EVERY
        for child in list(self._children.values()):
            if child.memory() > self._memory_bound:
                size = f"{self._limits.memory_bytes / (1 << 30):g} GiB"
                self._stop(child, JobStatus.CRASHED, f"exceeded the memory limit of {size}")
            elif child.processor_seconds() > self._limits.seconds:
                used = f"used more than {self._limits.seconds:g} s of processor time"
                self._stop(child, JobStatus.TIMEOUT, used)
            elif now > child.deadline:
                running = f"still running after {self._limits.wall_seconds:g} s"
                self._stop(child, JobStatus.TIMEOUT, running)

    def _stop(self, child: Child, status: JobStatus, detail: str) -> None:
        child.kill()
        os.waitpid(child.pid, 0)
        self._finish(child, EncodedResult(child.job.number, status, detail))

    def _finish(self, child: Child, result: EncodedResult) -> None:
        child.kill()  # what it started may have outlived it
        for descriptor in child.descriptors:
            self._forget(descriptor)
        child.close()
        del self._children[child.pid]
        _kill_orphans(set(self._children))
        self._channel.sendall(msgspec.json.encode(result) + b"\n")

    def _forget(self, descriptor: int) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(descriptor)


def _kill_orphans(known: set[int]) -> None:
    """Kill and reap what children have left behind: as their subreaper we inherit it."""
    for orphan in child_pids(os.getpid()) - known:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(orphan, signal.SIGKILL)
            os.waitpid(orphan, 0)


def main() -> None:
    """Serve the socket whose descriptor is the one argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # while importing modules we do not watch the socket
    channel = socket.socket(fileno=int(sys.argv[1]))
    reader = channel.makefile("rb", buffering=0)
    first = reader.readline()
    if not first:  # whoever started us has gone
        return
    limits = msgspec.json.decode(first, type=Limits)
    error = calls.preload(limits.preload, forks=True)
    freeze_heap()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # from here the closing socket ends us
    with contextlib.suppress(BrokenPipeError):
        channel.sendall(msgspec.json.encode(ServerStart(error)) + b"\n")
    with tempfile.TemporaryDirectory(
        prefix="broken-convnets-", ignore_cleanup_errors=True
    ) as scratch:
        Server(channel, limits, Path(scratch)).serve()
    os._exit(0)  # unloading torch would take longer than most jobs


if __name__ == "__main__":
    main()
