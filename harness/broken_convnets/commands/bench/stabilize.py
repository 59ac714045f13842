"""Hold a process steady before anything in it is timed, and say what was done.

One thread: with two, samples of a tiny network spread by a factor of hundreds on a shared
machine. Freed pages stay: handing them back to the system and taking them anew is most of
the time of a forward pass at 224x224. No denormals: a processor may be 15 times slower on
numbers next to zero.
"""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
# malloc.h: option, value. The first is the most that glibc accepts.
M_MMAP_THRESHOLD = (-3, 32 * MIB)
M_TRIM_THRESHOLD = (-1, 1024 * MIB)
M_TOP_PAD = (-2, 64 * MIB)


def hold_steady() -> dict[str, str]:
    """Set what timings depend on, and return each setting as it is now.

    Raises RuntimeError where torch does not keep to one thread: its times would mean nothing.
    """
    if torch.get_num_threads() != 1:
        message = f"torch runs on {torch.get_num_threads()} threads: call warm.calm() before timing"
        raise RuntimeError(message)
    return {
        "threads": "1",
        "malloc": keep_pages(),
        "denormals": "flushed" if torch.set_flush_denormal(True) else "kept",
    }


def keep_pages(mallopt: Callable[[int, int], int] | None = None) -> str:
    """Ask the C library to keep freed pages; return the mode that this gives.

    `mallopt` is the C library's own where none is given.
    """
    if mallopt is None:
        if sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"):
            return "default"
        mallopt = ctypes.CDLL(None).mallopt
    taken = [mallopt(*option) == 1 for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD)]
    return "keeps pages" if all(taken) else "default" if not any(taken) else "keeps some pages"
