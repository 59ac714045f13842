"""Measure the processes of a fork server on Linux, and set attributes of this one."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import psutil

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
LIBC = ctypes.CDLL(None, use_errno=True)  # opened once: a child pays for what it opens


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process; raises OSError if the kernel refuses."""
    if LIBC.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")


def child_pids(pid: int) -> set[int]:
    """Return the processes that the main thread of `pid` started; none if it has ended."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return set()
    return {int(child) for child in text.split()}


def orphans(known: set[int]) -> set[int]:
    """Return the children of this process but for `known` ones: inherited, as their subreaper."""
    return child_pids(os.getpid()) - known


def unnamed_bytes(pid: int) -> int:
    """Return the bytes of a process' resident pages that no file backs.

    File-backed pages do not count: a fork starts without them and, as it runs through torch's
    libraries, maps hundreds of MB again that it shares with all others.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    sizes = [line.split()[1] for line in lines if line.startswith(("RssAnon:", "RssShmem:"))]
    return sum(int(kilobytes) << 10 for kilobytes in sizes)


def memory_bytes(pid: int) -> int:
    """Return the unnamed bytes of a process plus its descendants' unshared ones; 0 if it ended."""
    try:
        total = unnamed_bytes(pid)
        if child_pids(pid):  # seldom; psutil looks at all processes, which is slow
            descendants = psutil.Process(pid).children(recursive=True)
            total += sum(process.memory_full_info().uss for process in descendants)
    except (psutil.NoSuchProcess, OSError):
        return 0
    return total


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process and its descendants have used; 0 if it ended."""
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        used = times.user + times.system + times.children_user + times.children_system
        if child_pids(pid):
            running = (child.cpu_times() for child in process.children(recursive=True))
            used += sum(times.user + times.system for times in running)
    except (psutil.NoSuchProcess, OSError):
        return 0.0
    return float(used)
