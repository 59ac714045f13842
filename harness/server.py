"""The fork server: a process with torch loaded that runs each job in a child of its own.

Speaks JSON lines over one socket: limits and jobs in, a hello and endings out. When the
socket closes, for whatever reason, it kills what runs and ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

import msgspec
import psutil

from .facts import End, Ending, Job, Limits, Observation

CHECK_EVERY = 0.05  # seconds between looks at the children's memory
FACTS_BYTES = 4 << 20  # of one observation; what is longer is no valid one
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


class Child:
    """One job's process, and what has come from it so far."""

    def __init__(self, job: Job, limits: Limits, scratch: Path) -> None:
        """Fork; the child never returns from here."""
        self.job = job
        self.scratch = scratch
        self.facts = bytearray()
        self.printed = bytearray()
        self.deadline = time.monotonic() + limits.seconds
        facts_read, facts_write = os.pipe()
        printed_read, printed_write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _become_child(job, scratch, facts_write, printed_write)
        os.close(facts_write)
        os.close(printed_write)
        self.facts_pipe, self.printed_pipe = facts_read, printed_read
        self.pidfd = os.pidfd_open(self.pid)
        self.process = psutil.Process(self.pid)
        for pipe in (facts_read, printed_read):
            os.set_blocking(pipe, False)

    @property
    def descriptors(self) -> tuple[int, int, int]:
        """What to wait on: its end, its facts, its output."""
        return self.pidfd, self.facts_pipe, self.printed_pipe

    def read(self, limits: Limits) -> list[int]:
        """Take what is in the pipes now; return those that have reached their end."""
        pipes = (
            (self.facts_pipe, self.facts, FACTS_BYTES),
            (self.printed_pipe, self.printed, limits.output_bytes),
        )
        return [pipe for pipe, into, limit in pipes if _drain(pipe, into, limit)]

    def kill(self) -> None:
        """Kill the child and every process of its session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Give back what it held."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        shutil.rmtree(self.scratch, ignore_errors=True)


class Server:
    """Runs at most `limits.workers` children at a time until its socket closes."""

    def __init__(self, channel: socket.socket, limits: Limits, scratch: Path) -> None:
        """Serve `channel`; children work in folders below `scratch`."""
        self._channel = channel
        self._limits = limits
        self._scratch = scratch
        self._waiting: deque[Job] = deque()
        self._children: dict[int, Child] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(channel, selectors.EVENT_READ, None)
        self._partial = b""
        self._own_memory = psutil.Process().memory_info().rss
        self._next_check = 0.0

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
        self._waiting.extend(msgspec.json.decode(line, type=Job) for line in lines)
        return bool(data)

    def _start(self) -> None:
        while self._waiting and len(self._children) < self._limits.workers:
            job = self._waiting.popleft()
            scratch = Path(tempfile.mkdtemp(dir=self._scratch))
            child = Child(job, self._limits, scratch)
            self._children[child.pid] = child
            for descriptor in child.descriptors:
                self._selector.register(descriptor, selectors.EVENT_READ, child)

    def _attend(self, child: Child) -> None:
        exited, status = os.waitpid(child.pid, os.WNOHANG)
        if exited:
            child.kill()  # so that what it started cannot go on filling the pipes
        for pipe in child.read(self._limits):
            self._forget(pipe)
        if exited:
            self._finish(child, _ending(child, os.waitstatus_to_exitcode(status)))

    def _enforce_limits(self) -> None:
        now = time.monotonic()
        late = [child for child in self._children.values() if now > child.deadline]
        for child in late:
            self._stop(child, End.TIMEOUT, f"still running after {self._limits.seconds:g} s")
        if now < self._next_check:
            return
        self._next_check = now + CHECK_EVERY
        bound = self._own_memory + self._limits.memory_bytes
        for child in list(self._children.values()):
            if _memory(child.process) > bound:
                size = f"{self._limits.memory_bytes / (1 << 30):g} GiB"
                self._stop(child, End.CRASHED, f"took more than {size} of memory")

    def _stop(self, child: Child, end: End, detail: str) -> None:
        child.kill()
        os.waitpid(child.pid, 0)
        self._finish(child, Ending(child.job.number, end, detail))

    def _finish(self, child: Child, ending: Ending) -> None:
        child.kill()  # what it started may have outlived it
        for descriptor in child.descriptors:
            self._forget(descriptor)
        child.close()
        del self._children[child.pid]
        _kill_orphans(set(self._children))
        self._channel.sendall(msgspec.json.encode(ending) + b"\n")

    def _forget(self, descriptor: int) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(descriptor)


def _ending(child: Child, status: int) -> Ending:
    try:
        facts = msgspec.json.decode(child.facts, type=Observation)
    except msgspec.DecodeError:
        how = f"{signal.strsignal(-status)}" if status < 0 else f"exit status {status}"
        said = child.printed.decode(errors="replace").strip().splitlines()
        detail = f"the process ended without a result ({how})"
        detail += f": {said[-1][:200]}" if said else ""
        return Ending(child.job.number, End.CRASHED, detail)
    return Ending(child.job.number, End.OBSERVED, observation=facts)


def _become_child(job: Job, scratch: Path, facts: int, printed: int) -> None:
    """Detach from the server, run the job, write its facts, and end the process."""
    status = 70  # EX_SOFTWARE: the harness itself failed; its traceback is in the output
    try:
        os.setsid()
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        facts = os.dup2(facts, 3)
        os.closerange(4, 256)
        os.chdir(scratch)
        Path("/proc/self/oom_score_adj").write_text("1000")
        from . import warm  # noqa: PLC0415
        from .observe import observe  # noqa: PLC0415

        warm.settle()
        payload = msgspec.json.encode(observe(job))
        with os.fdopen(facts, "wb") as stream:
            stream.write(payload)
        status = 0
    except BaseException:  # noqa: BLE001  (a child must never run the server's code)
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _drain(pipe: int, into: bytearray, limit: int) -> bool:
    """Read a pipe's full capacity at most; keep `limit` bytes; return whether it has ended."""
    with contextlib.suppress(BlockingIOError):
        for _ in range(16):
            data = os.read(pipe, 1 << 16)
            if not data:
                return True
            into += data[: max(0, limit - len(into))]
    return False


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _kill_orphans(known: set[int]) -> None:
    """Kill and reap what children have left behind: as their subreaper we inherit it."""
    for process in psutil.Process().children():
        if process.pid not in known:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(process.pid, signal.SIGKILL)
                os.waitpid(process.pid, 0)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")


def main() -> None:
    """Serve the socket whose descriptor is the one argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # while loading torch we do not watch the socket
    channel = socket.socket(fileno=int(sys.argv[1]))
    reader = channel.makefile("rb", buffering=0)
    limits = msgspec.json.decode(reader.readline(), type=Limits)
    from . import warm  # noqa: PLC0415  (imports torch, which takes seconds)

    warm.calm()
    warm.preload()
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # from here the closing socket ends us
    channel.sendall(msgspec.json.encode(warm.hello("a fork per program")) + b"\n")
    with tempfile.TemporaryDirectory(
        prefix="broken-convnets-", ignore_cleanup_errors=True
    ) as scratch:
        Server(channel, limits, Path(scratch)).serve()


if __name__ == "__main__":
    main()
