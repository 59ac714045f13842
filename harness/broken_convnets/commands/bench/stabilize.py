"""Make the times of this process repeatable, and report the settings that do so.

One thread: with two, samples of a tiny network spread by a factor of hundreds on a shared
machine. Freed memory stays mapped: returning pages to the system and mapping them again is most
of the time of a forward pass at 224x224. Denormals are flushed to zero: a processor may be 15
times slower on them.
"""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
# malloc.h: option, value. The first value is the largest that glibc accepts.
M_MMAP_THRESHOLD = (-3, 32 * MIB)
M_TRIM_THRESHOLD = (-1, 1024 * MIB)
M_TOP_PAD = (-2, 64 * MIB)


def stabilize() -> dict[str, str]:
    """Apply the settings that times depend on, and return each one as it is now.

    Raises RuntimeError if torch uses several threads.
    """
    if torch.get_num_threads() != 1:
        message = (
            f"torch uses {torch.get_num_threads()} threads: call torch.set_num_threads(1) "
            "before timing"
        )
        raise RuntimeError(message)
    return {
        "threads": "1",
        "malloc": keep_pages(),
        "denormals": "flushed" if torch.set_flush_denormal(True) else "kept",
    }


def keep_pages(mallopt: Callable[[int, int], int] | None = None) -> str:
    """Have the C library keep freed pages; return the mode that results.

    `mallopt` defaults to that of the C library.
    """
    if mallopt is None:
        if sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"):
            return "default"
        mallopt = ctypes.CDLL(None).mallopt
    accepted = [mallopt(*option) == 1 for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD)]
    if all(accepted):
        return "keeps pages"
    return "keeps some pages" if any(accepted) else "default"
