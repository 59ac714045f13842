"""The runner of two servers that differ in what programs must not depend on.

They are two processes with addresses of their own, and their hash seeds differ, so that sets of
names have another order. A job's variant says on which of them it runs.
"""

from __future__ import annotations

import secrets
import select
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.errors import RunnerError
from broken_convnets.sandbox.choice import open_runner
from broken_convnets.sandbox.connection import LOOK_EVERY
from broken_convnets.sandbox.fork_client import ForkServer
from broken_convnets.sandbox.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from broken_convnets.sandbox.job import Answer, Job, JobResult, Limits

HASH_SEEDS = 1 << 32


class VariedRunner(Runner):
    """Runs the jobs of variant 0 on one runner, and all others on a second one.

    Where they are fork servers both run at once, with as many jobs together as one alone would
    have, so that the first results are complete early. Elsewhere the second one begins when the
    first has ended.
    """

    def __init__(self, limits: Limits, python: str = sys.executable) -> None:
        """Open the first runner, and begin to open the second one.

        Raises RunnerError if the first cannot be opened; `run` raises it for the second.
        """
        hash_seed = 1 + secrets.randbelow(HASH_SEEDS - 1)
        other = msgspec.structs.replace(limits, hash_seed=hash_seed)
        self._workers = limits.workers
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
        first = [job for job in jobs if not job.variant]
        others = [job for job in jobs if job.variant]
        second = self._second.result() if others else None
        if isinstance(self._first, ForkServer) and isinstance(second, ForkServer):
            yield from _at_once({self._first: first, second: others}, schema, self._workers)
            return
        yield from self._first.run(first, schema)
        if second is not None:
            yield from second.run(others, schema)

    def close(self) -> None:
        """Close both runners."""
        self._first.close()
        self._close_second()

    def _close_second(self) -> None:
        with suppress(RunnerError):
            self._second.result().close()
        self._opener.shutdown()


def _at_once(
    parts: Mapping[ForkServer, Sequence[Job]], schema: type[Answer], workers: int
) -> Iterator[JobResult[Answer]]:
    """Yield the results of servers, which take turns to start one of `workers` jobs."""

    def room_of(server: ForkServer) -> int:
        return workers - sum(other.unanswered for other in parts if other is not server)

    running = {
        server: server.steps(jobs, schema, partial(room_of, server))
        for server, jobs in parts.items()
    }
    while running:
        silent = True
        for server, steps in list(running.items()):
            try:
                result = next(steps)
            except StopIteration:
                del running[server]
                continue
            if result is not None:
                silent = False
                yield result
        if silent and running:
            select.select(list(running), [], [], LOOK_EVERY)
