"""Make what this process has allocated cheap to fork."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

MADV_COLLAPSE = 25  # linux/mman.h, since Linux 6.1
HUGE_PAGE = 1 << 21  # bytes


def freeze_heap() -> None:
    """Exempt all objects from garbage collection: a collection would copy their pages."""
    gc.collect()
    gc.freeze()


def move_to_huge_pages() -> None:
    """Have what this process has allocated moved into huge pages, where the kernel can.

    A fork copies an entry for each page: with one for 2 MiB instead of one for 4 KiB it takes
    a third of the time. The move itself takes a second with torch loaded. Nothing is lost where
    the kernel refuses.
    """
    maps = Path("/proc/self/maps")
    madvise = getattr(ctypes.CDLL(None), "madvise", None)
    if madvise is None or not maps.exists():
        return
    madvise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    for line in maps.read_text(encoding="utf-8").splitlines():
        span, rights, _, _, inode, *_ = line.split(maxsplit=5)
        start, stop = (int(address, 16) for address in span.split("-"))
        if inode == "0" and "w" in rights and stop - start >= HUGE_PAGE:  # no file's
            madvise(start, stop - start, MADV_COLLAPSE)
