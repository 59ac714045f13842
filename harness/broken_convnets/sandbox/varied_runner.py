"""The runner of two servers that differ in what programs must not depend on.

They are two processes with addresses of their own, and their hash seeds differ, so that sets of
names have another order. A job's variant says on which of them it runs.
"""

from __future__ import annotations

import secrets
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.errors import RunnerError
from broken_convnets.sandbox.choice import open_runner
from broken_convnets.sandbox.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.sandbox.job import Answer, Job, JobResult, Limits

HASH_SEEDS = 1 << 32


class VariedRunner(Runner):
    """Runs the jobs of variant 0 on one runner, and then all others on a second one."""

    def __init__(self, limits: Limits, python: str = sys.executable) -> None:
        """Open the first runner, and begin to open the second one.

        Raises RunnerError if the first cannot be opened; `run` raises it for the second.
        """
        hash_seed = 1 + secrets.randbelow(HASH_SEEDS - 1)
        other = msgspec.structs.replace(limits, hash_seed=hash_seed)
        self._opener = ThreadPoolExecutor(1)  # a server must not outlive the thread that opens it
        self._second = self._opener.submit(open_runner, other, python)
        try:
            self._first = open_runner(limits, python)
        except BaseException:
            self._close_second()
            raise
        self.isolation = self._first.isolation

    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        """Yield a result for each job."""
        others = [job for job in jobs if job.variant]
        yield from self._first.run([job for job in jobs if not job.variant], schema)
        if others:
            yield from self._second.result().run(others, schema)

    def close(self) -> None:
        """Close both runners."""
        self._first.close()
        self._close_second()

    def _close_second(self) -> None:
        with suppress(RunnerError):
            self._second.result().close()
        self._opener.shutdown()
