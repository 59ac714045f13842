"""The fork server: a process with modules preloaded that runs each job in a child of its own.

It speaks JSON lines over one socket: limits and jobs come in, its start and results go out.
When the socket closes, for whatever reason, it kills what still runs and ends.
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

from broken_convnets.sandbox import calls, processes
from broken_convnets.sandbox.fork_child import Child
from broken_convnets.sandbox.heap import freeze_heap, move_to_huge_pages
from broken_convnets.sandbox.isolation import Isolation
from broken_convnets.sandbox.job import JobStatus, Limits
from broken_convnets.sandbox.wire import EncodedResult, JobStarted, QueuedJob, ServerStart

CHECK_EVERY = 0.05  # seconds between looks at the children's memory and processor time
MANY_JOBS = 32  # from here on, cheaper forks save more than moving the memory costs


class Server:
    """Runs at most `limits.workers` children at a time until its socket closes."""

    def __init__(
        self, channel: socket.socket, limits: Limits, scratch: Path, isolation: Isolation | None
    ) -> None:
        """Serve `channel`; children work in folders below `scratch`."""
        self._channel = channel
        self._limits = limits
        self._scratch = scratch
        self._isolation = isolation
        self._waiting: deque[QueuedJob] = deque()
        self._children: dict[int, Child] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(channel, selectors.EVENT_READ, None)
        self._partial = b""
        self._started = 0  # jobs
        self._moved = False  # memory, to huge pages
        self._next_check = time.monotonic()

    def serve(self) -> None:
        """Run jobs until the other end of the socket is gone."""
        try:
            while True:
                events = self._selector.select(CHECK_EVERY)
                if any(key.data is None for key, _ in events) and not self._receive():
                    return
                children = {key.data.pid: key.data for key, _ in events if key.data}
                for child in children.values():
                    self._attend(child)
                self._enforce_limits()
                self._start()
        except (BrokenPipeError, ConnectionResetError):
            return
        finally:
            for child in self._children.values():
                child.kill()
            processes.kill_orphans(())

    def _receive(self) -> bool:
        data = self._channel.recv(1 << 20)
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._waiting.extend(msgspec.json.decode(line, type=QueuedJob) for line in lines)
        return bool(data)

    def _start(self) -> None:
        while self._waiting and len(self._children) < self._limits.workers:
            job = self._waiting.popleft()
            with contextlib.suppress(Exception):  # the job's own process will report it
                calls.prepare(job)
            # Before it exists: it could end this process at once.
            self._send(JobStarted(job.number))
            try:
                self._fork(job)
            except OSError as refused:  # no memory, no space, no process
                detail = f"its process cannot be started: {refused}"
                self._send(EncodedResult(job.number, JobStatus.CRASHED, detail))

    def _fork(self, job: QueuedJob) -> None:
        self._started += 1
        if max(job.batch, self._started) >= MANY_JOBS and not self._moved:
            move_to_huge_pages()
            self._moved = True
        isolation = self._isolation if job.isolated else None
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        child = Child(job, self._limits, folder, isolation)
        self._children[child.pid] = child
        for descriptor in child.descriptors:
            self._selector.register(descriptor, selectors.EVENT_READ, child)

    def _send(self, message: EncodedResult | JobStarted) -> None:
        self._channel.sendall(msgspec.json.encode(message) + b"\n")

    def _attend(self, child: Child) -> None:
        """Read what a child has written; finish it if its process has ended."""
        exited, status = os.waitpid(child.pid, os.WNOHANG)
        if exited:
            child.kill()  # what it started must not go on filling the pipes
        for pipe in child.read():
            self._unregister(pipe)
        if exited:
            self._finish(child, child.result(os.waitstatus_to_exitcode(status)))

    def _enforce_limits(self) -> None:
        """Stop the children that are beyond a limit, every CHECK_EVERY seconds."""
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + CHECK_EVERY
        for child in list(self._children.values()):
            result = child.exceeded()
            if result:
                child.kill()
                os.waitpid(child.pid, 0)
                self._finish(child, result)
        processes.kill_orphans(self._children)

    def _finish(self, child: Child, result: EncodedResult) -> None:
        """Kill what a child left running, release what it used, and send its result."""
        child.kill()
        for descriptor in child.descriptors:
            self._unregister(descriptor)
        child.close()
        del self._children[child.pid]
        processes.kill_orphans(self._children)
        self._send(result)

    def _unregister(self, descriptor: int) -> None:
        with contextlib.suppress(KeyError):  # a pipe that ended before
            self._selector.unregister(descriptor)


def main() -> None:
    """Serve the socket whose descriptor is the one argument."""
    serve(socket.socket(fileno=int(sys.argv[1])))


def serve(channel: socket.socket) -> None:
    """Read the limits from a socket, preload, run jobs until it closes; then end the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # While it imports modules it does not watch the socket.
    processes.prctl(processes.PR_SET_PDEATHSIG, signal.SIGTERM)
    first = channel.makefile("rb", buffering=0).readline()
    if not first:  # whoever started it has gone
        return
    limits = msgspec.json.decode(first, type=Limits)
    isolation = Isolation(limits) if limits.isolate else None
    error = calls.preload(limits.preload, forks=True)
    freeze_heap()
    processes.prctl(processes.PR_SET_CHILD_SUBREAPER, 1)
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # from here on the closing socket ends it
    try:
        folder = tempfile.TemporaryDirectory(prefix="broken-convnets-", ignore_cleanup_errors=True)
    except OSError as refused:
        _report(channel, ServerStart(f"there is no folder for programs: {refused}"))
        return
    with folder as scratch:
        how = isolation.description() if isolation else ""
        _report(channel, ServerStart(error, how, scratch))
        Server(channel, limits, Path(scratch), isolation).serve()
    os._exit(0)  # unloading torch would take longer than most jobs


def _report(channel: socket.socket, start: ServerStart) -> None:
    with contextlib.suppress(BrokenPipeError):
        channel.sendall(msgspec.json.encode(start) + b"\n")


if __name__ == "__main__":
    main()
