"""What every runner of jobs has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.sandbox.job import Answer, Job, JobResult


class Runner(ABC):
    """Runs jobs in isolation; a context manager, usable for one `run` after another.

    A runner serves one thread at a time.
    """

    isolation: str  # how jobs are isolated, in a few words

    @abstractmethod
    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        """Yield a result for each job, in the order in which they end.

        `schema` is the struct that the jobs' functions return. A caller that stops early
        abandons the other results; a later `run` yields none of them.
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
