"""The files that an isolated program may read: Python, its libraries, and what describes a CPU."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.util.environment import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BUNDLED = PACKAGE / "bundled"  # the corpus of an installed package
SYSTEM = [
    *("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/opt", "/nix/store", "/sys"),
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/nsswitch.conf", "/etc/hosts", "/etc/passwd"),
    *("/etc/group", "/etc/resolv.conf", "/etc/mime.types", "/etc/fonts"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems", "/proc/version"),
    *("/proc/devices", "/proc/driver", "/proc/sys", "/dev/random", "/dev/urandom", "/dev/zero"),
]


def readable(hidden: Iterable[str]) -> tuple[list[Path], list[Path]]:
    """Return the paths that can be read with all below them, and folders that can be listed.

    What is below a `hidden` path cannot be read, unless it belongs to Python: a corpus may
    contain the environment that runs it. A folder with a hidden one inside can only be listed:
    its other items are among the readable paths.
    """
    secret = {_real(path) for path in (*hidden, str(BUNDLED))}
    wanted = {_real(path) for path in (*SYSTEM, *_python()) if Path(path).exists()}
    found: set[Path] = set()
    listed: set[Path] = set()
    for path in wanted - secret:
        for part, whole in _around(path, secret - wanted):
            (found if whole else listed).add(part)
    return sorted(found), sorted(listed)


def _python() -> list[str]:
    prefixes = [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix]
    return [*prefixes, str(PACKAGE), *(entry for entry in sys.path if Path(entry).is_absolute())]


def _around(path: Path, secret: set[Path]) -> Iterator[tuple[Path, bool]]:
    """Yield the parts of `path` without the secret ones, and whether they are to be read whole."""
    if path in secret:
        return
    if not any(path in one.parents for one in secret):
        yield path, True
        return
    yield path, False
    for item in path.iterdir():
        if not item.is_symlink():
            yield from _around(item, secret)


def _real(path: str) -> Path:
    return Path(os.path.realpath(path))
