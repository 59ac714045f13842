"""Isolate a forked child: it sees Python and its own folder, and reaches no other process.

Landlock confines files and signals, a network namespace the network, and dropped capabilities
what root could do. What the kernel does not offer is left out, and `description` says so.
"""

from __future__ import annotations

import ctypes
import os
import resource
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.sandbox import landlock, private_network, seccomp
from broken_convnets.sandbox.landlock import OF_FILES, Access
from broken_convnets.sandbox.processes import LIBC, PR_SET_DUMPABLE, prctl
from broken_convnets.sandbox.readable import readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broken_convnets.sandbox.job import Limits

READ = Access.EXECUTE | Access.READ_FILE | Access.READ_DIR
USE = Access.READ_FILE | Access.WRITE_FILE | Access.TRUNCATE | Access.IOCTL_DEV
# Shared memory of torch's data loaders: no listing, so that no other process' is found there.
SHARE = USE | Access.MAKE_REG | Access.REMOVE_FILE
OWN = ~Access.IOCTL_DEV
DEVICES = Path("/dev")
CAPABILITIES_VERSION = 0x20080522


class Isolation:
    """What all children of a server may reach; made once, and applied in each child."""

    def __init__(self, limits: Limits) -> None:
        """Find out what this kernel offers, and what programs may reach."""
        self._file_bytes = limits.memory_bytes
        self._abi = landlock.abi()
        self._network = private_network.create()
        self._rules: list[tuple[Path, Access]] = []
        if self._abi:
            whole, listed = readable(limits.hidden)
            self._allow(READ, whole)
            self._allow(Access.READ_DIR, listed)
            self._allow(USE, _devices())
            self._allow(SHARE, [DEVICES / "shm"])

    def description(self) -> str:
        """Return how programs are isolated, and what this system does not offer."""
        offered: list[str] = []
        missing: list[str] = []
        (offered if self._abi else missing).append("Landlock")
        (offered if self._network else missing).append("network namespaces")
        if self._abi and self._abi < landlock.SCOPES_ABI:
            missing.append("Landlock for signals")
        text = f"isolated by {' and '.join(offered)}" if offered else "not isolated"
        return f"{text}; this system does not offer {', '.join(missing)}" if missing else text

    def enter(self, folder: Path) -> None:
        """Isolate this process, whose only writable folder is `folder`.

        Raises OSError if the kernel refuses what it offered.
        """
        if self._network:
            self._network.join()
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        for limit, value in ((resource.RLIMIT_FSIZE, self._file_bytes), (resource.RLIMIT_CORE, 0)):
            resource.setrlimit(limit, (value, value))
        _drop_capabilities()
        prctl(PR_SET_DUMPABLE, 1)  # a new user namespace hides it even from its server
        if self._abi:
            own = [(folder, OWN), (Path("/proc/self"), READ)]
            landlock.restrict(_opened([*self._rules, *own]), self._abi)
            seccomp.refuse_foreign_limits()

    def _allow(self, access: Access, paths: Iterable[Path]) -> None:
        for path in paths:
            if path.exists():
                narrowed = access if path.is_dir() else access & OF_FILES
                self._rules.append((path, narrowed))


def _devices() -> list[Path]:
    """Return the devices that programs use: GPUs, and those without content."""
    names = ["null", "full", "kfd", "dri", *(path.name for path in DEVICES.glob("nvidia*"))]
    return [DEVICES / name for name in names]


def _opened(rules: Iterable[tuple[Path, Access]]) -> Iterator[tuple[int, Access]]:
    """Yield each rule with its path open; all at once could exceed the limit of open files."""
    for path, access in rules:
        with suppress(FileNotFoundError):  # deleted since
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                yield descriptor, access
            finally:
                os.close(descriptor)


def _drop_capabilities() -> None:
    """Give up what root may do beyond other users; files of the same user stay readable."""
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_VERSION, 0)
    if LIBC.capset(header, (ctypes.c_uint32 * 6)()) != 0:
        raise OSError(ctypes.get_errno(), "capabilities cannot be dropped")
