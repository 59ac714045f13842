"""Set attributes of this process, and find those that a fork server must end (Linux)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from typing import TYPE_CHECKING

from broken_convnets.sandbox.accounting import child_pids

if TYPE_CHECKING:
    from collections.abc import Collection

# linux/prctl.h
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36
LIBC = ctypes.CDLL(None, use_errno=True)  # opened once: a child pays for what it opens
KILL_PASSES = 100  # a process that forks while it is found is found in a later pass


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process; raises OSError if the kernel refuses."""
    if LIBC.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")


def kill_orphans(known: Collection[int]) -> None:
    """Kill and reap the children of this process but for `known` ones, and all below them.

    This process, their subreaper, has inherited them: the one that answered for them has ended.
    """
    for _ in range(KILL_PASSES):
        orphans = child_pids(os.getpid()).difference(known)
        if not orphans:
            return
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
