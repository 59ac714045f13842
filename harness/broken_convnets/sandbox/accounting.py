"""What a process and everything that it started use: memory, processor time, processes (Linux).

A process can end between two looks at it, and a zombie has no memory: such a process counts
as nothing, and all others count in full.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

COUNT_EVERY = 0.5  # seconds between two counts of shared pages
_STAT_USED = slice(11, 15)  # user and system time, of itself and of its reaped children
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def child_pids(pid: int) -> set[int]:
    """Return the processes that any thread of `pid` started; none if it has ended."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found.update(map(int, (thread / "children").read_bytes().split()))
    return found


def descendants(pid: int) -> set[int]:
    """Return the processes below `pid`."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        new = child_pids(waiting.pop()) - found
        found |= new
        waiting += new
    return found


def unnamed_bytes(pid: int) -> int:
    """Return the bytes of a process' resident pages that no file backs; 0 if it has ended.

    File-backed pages do not count: a fork starts without them and, as it runs through torch's
    libraries, maps hundreds of MB again that it shares with all others.
    """
    return _sum_of_kilobytes(Path(f"/proc/{pid}/status"), (b"RssAnon:", b"RssShmem:"))


class Memory:
    """How much memory a fork of this process may use, with everything that it starts.

    Each fork begins with the bytes of this process, and shares them until it writes to them.
    """

    def __init__(self, limit: int) -> None:
        """Allow `limit` unnamed bytes beyond those that a fork begins with."""
        self._inherited = unnamed_bytes(os.getpid())
        self._limit = limit
        self._next_count = time.monotonic() + COUNT_EVERY

    def exceeded(self, pid: int, below: set[int]) -> bool:
        """Return whether a process and those `below` it have more unnamed bytes than allowed.

        Only where their sizes do not decide, the kernel counts each shared page once. It takes
        milliseconds, so it is asked every COUNT_EVERY seconds only.
        """
        sizes = [unnamed_bytes(one) for one in (pid, *below)]
        if sum(max(0, size - self._inherited) for size in sizes) > self._limit:
            return True
        bound, now = self._inherited + self._limit, time.monotonic()
        if sum(sizes) <= bound or now < self._next_count:
            return False
        self._next_count = now + COUNT_EVERY
        return memory_bytes(pid, below) > bound


def memory_bytes(pid: int, below: set[int]) -> int:
    """Return the unnamed bytes of a process and those `below` it, shared pages counted once."""
    if not below:
        return unnamed_bytes(pid)
    shares = (b"Pss_Anon:", b"Pss_Shmem:")  # a page that n processes share is 1/n of each
    return sum(
        _sum_of_kilobytes(Path(f"/proc/{one}/smaps_rollup"), shares) for one in (pid, *below)
    )


def processor_seconds(pid: int, below: set[int]) -> float:
    """Return the processor time that a process and those `below` it have used."""
    return sum(map(_used, (pid, *below)))


def _sum_of_kilobytes(file: Path, names: tuple[bytes, ...]) -> int:
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(names))


def _used(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0.0
    fields = stat.rpartition(b")")[2].split()  # a name may contain anything, parentheses too
    return sum(map(int, fields[_STAT_USED])) / _TICKS
