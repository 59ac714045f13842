"""What runs jobs, each in a process of its own with limits; by preference a fork server."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.sandbox.job import Answer, Job, JobResult, Limits


class Runner(ABC):
    """Runs jobs in isolation; a context manager, usable for one `run` after another."""

    isolation: str  # how jobs are kept apart, in a few words

    @abstractmethod
    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        """Yield a result for each job, in the order in which they end.

        `schema` is the struct that the jobs' functions return.
        """

    @abstractmethod
    def close(self) -> None:
        """Kill what still runs."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def open_runner(limits: Limits, python: str = sys.executable) -> Runner:
    """Return the fastest runner that this system has: forks on Linux, else fresh interpreters.

    `python` is the executable of its processes. Raises RunnerError if it cannot be started, or
    cannot import a module of `limits.preload`.
    """
    from broken_convnets.sandbox.fork_client import ForkServer  # noqa: PLC0415  (it is a Runner)
    from broken_convnets.sandbox.subprocess_runner import (  # noqa: PLC0415  (likewise)
        FreshInterpreters,
    )

    return (ForkServer if hasattr(os, "pidfd_open") else FreshInterpreters)(limits, python)
