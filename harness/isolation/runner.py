"""What runs jobs, each in a process of its own with limits; by preference a fork server."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..facts import Ending, Hello, Job, Limits


class Runner(ABC):
    """Runs jobs in isolation; a context manager, usable for one `run` after another."""

    hello: Hello

    @abstractmethod
    def run(self, jobs: Sequence[Job]) -> Iterator[Ending]:
        """Yield an ending for each job, in the order in which they end."""

    @abstractmethod
    def close(self) -> None:
        """Kill what still runs."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def open_runner(limits: Limits) -> Runner:
    """Return the fastest runner there is here: forks on Linux, else fresh interpreters.

    Raises RunnerError where torch cannot be loaded.
    """
    from .client import ForkServer  # noqa: PLC0415  (it is a Runner)
    from .fresh import FreshInterpreters  # noqa: PLC0415  (likewise)

    return (ForkServer if hasattr(os, "pidfd_open") else FreshInterpreters)(limits)
