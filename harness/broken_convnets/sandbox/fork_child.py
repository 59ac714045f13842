"""One job in a forked child: begin it, take what comes from it, say how it ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import msgspec
import psutil
from msgspec import Raw

from broken_convnets.sandbox import calls
from broken_convnets.sandbox.calls import EncodedResult, QueuedJob
from broken_convnets.sandbox.job import JobStatus, Limits

ANSWER_BYTES = 4 << 20  # of one answer; a longer one is not valid
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
LIBC = ctypes.CDLL(None, use_errno=True)  # opened once: a child pays for what it opens


def unnamed_pages(pid: int) -> int:
    """Return the bytes of a process' resident pages that no file backs.

    Those of files count for nothing: a fork starts without them and, as it goes through
    torch's libraries, takes back hundreds of MB that cost nobody anything.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    sizes = [line.split()[1] for line in lines if line.startswith(("RssAnon:", "RssShmem:"))]
    return sum(int(kilobytes) << 10 for kilobytes in sizes)


class Child:
    """One job's process, and what has come from it so far."""

    def __init__(self, job: QueuedJob, limits: Limits, scratch: Path) -> None:
        """Fork; the child works in `scratch` and never returns from here."""
        self.job = job
        self.answer = bytearray()
        self.printed = bytearray()
        self.deadline = time.monotonic() + limits.wall_seconds
        self._scratch = scratch
        self._output_bytes = limits.output_bytes
        facts_read, facts_write = os.pipe()
        printed_read, printed_write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _become_child(job, scratch, facts_write, printed_write)
        os.close(facts_write)
        os.close(printed_write)
        # What to wait on: the end of the process, its facts, its output.
        self.descriptors = (os.pidfd_open(self.pid), facts_read, printed_read)
        for pipe in (facts_read, printed_read):
            os.set_blocking(pipe, False)

    def read(self) -> list[int]:
        """Take what is in the pipes now; return those that have reached their end."""
        _, facts, printed = self.descriptors
        pipes = ((facts, self.answer, ANSWER_BYTES), (printed, self.printed, self._output_bytes))
        return [pipe for pipe, into, limit in pipes if _drain(pipe, into, limit)]

    def memory(self) -> int:
        """Return the bytes it holds now: its unnamed pages and its descendants' own ones."""
        try:
            total = unnamed_pages(self.pid)
            if child_pids(self.pid):  # rarely; a look at all processes is slow
                children = psutil.Process(self.pid).children(recursive=True)
                total += sum(child.memory_full_info().uss for child in children)
        except (psutil.NoSuchProcess, OSError):
            return 0
        return total

    def processor_seconds(self) -> float:
        """Return the processor time that it and its descendants have used."""
        try:
            process = psutil.Process(self.pid)
            used = _own_seconds(process, ended_children=True)
            if child_pids(self.pid):
                used += sum(_own_seconds(child) for child in process.children(recursive=True))
        except (psutil.NoSuchProcess, OSError):
            return 0.0
        return used

    def result(self, status: int) -> EncodedResult:
        """Return what became of the job, from the exit status and what was read."""
        try:
            msgspec.json.decode(self.answer)
        except msgspec.DecodeError:
            how = f"{signal.strsignal(-status)}" if status < 0 else f"exit status {status}"
            printed = self.printed.decode(errors="replace").strip().splitlines()
            detail = f"the process ended without a result ({how})"
            detail += f": {printed[-1][:200]}" if printed else ""
            return EncodedResult(self.job.number, JobStatus.CRASHED, detail)
        return EncodedResult(self.job.number, JobStatus.DONE, answer=Raw(bytes(self.answer)))

    def kill(self) -> None:
        """Kill the child and every process of its session."""
        for kill in (os.killpg, os.kill):  # the group is not there before the child made it
            with contextlib.suppress(ProcessLookupError):
                kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Release its descriptors and delete its folder."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        shutil.rmtree(self._scratch, ignore_errors=True)


def _become_child(job: QueuedJob, scratch: Path, facts: int, printed: int) -> None:
    """Detach from the server, run the job, write its facts, and end the process."""
    status = 70  # EX_SOFTWARE: the harness itself failed; its traceback is in the output
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        facts = _wire(facts, printed)
        os.chdir(scratch)
        Path("/proc/self/oom_score_adj").write_bytes(b"1000")  # text would load a codec
        payload = calls.run(job)
        with os.fdopen(facts, "wb") as pipe:
            pipe.write(payload)
        status = 0
    except BaseException:  # noqa: BLE001  (a child must never run the server's code)
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _wire(facts: int, printed: int) -> int:
    """Make `printed` the output and nothing the input; close all else that was inherited."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    os.dup2(facts, 3)
    os.closerange(4, 1 << 16)
    return 3


def _drain(pipe: int, into: bytearray, limit: int) -> bool:
    """Read a pipe's full capacity at most; keep `limit` bytes; return whether it has ended."""
    with contextlib.suppress(BlockingIOError):
        for _ in range(16):
            data = os.read(pipe, 1 << 16)
            if not data:
                return True
            into += data[: max(0, limit - len(into))]
    return False


def _own_seconds(process: psutil.Process, *, ended_children: bool = False) -> float:
    times = process.cpu_times()
    own = times.user + times.system
    return own + times.children_user + times.children_system if ended_children else own


def child_pids(pid: int) -> set[int]:
    """Return the processes that the main thread of `pid` started; none where it has ended."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return set()
    return {int(child) for child in text.split()}


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process; raises OSError where the kernel refuses."""
    if LIBC.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")
