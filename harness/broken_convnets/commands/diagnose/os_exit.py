"""Report before a program ends its own process with `os._exit`, which runs no further code."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def before_os_exit(finish: Callable[[int], int]) -> Iterator[None]:
    """Call `finish` with the exit code of `os._exit`; what it returns becomes the exit code.

    A process that the program forks ends as usual.
    """
    process, original = os.getpid(), os._exit

    def exit_now(status: int) -> NoReturn:
        original(finish(status) if os.getpid() == process else status)

    os._exit = exit_now
    try:
        yield
    finally:
        os._exit = original
