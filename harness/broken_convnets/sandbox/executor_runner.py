"""The runner that spreads jobs over a `concurrent.futures` executor: a fork server per worker.

For example, `Client.get_executor()` of Dask runs a long evaluation on a cluster. If a worker
dies, the executor may run a chunk of jobs again; jobs are deterministic, so the results agree.
"""

from __future__ import annotations

import threading
import weakref
from concurrent.futures import as_completed
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.sandbox.choice import open_runner
from broken_convnets.sandbox.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor

    from broken_convnets.sandbox.job import Answer, Job, JobResult, Limits

CHUNK = 20  # jobs per task of the executor

_local = threading.local()  # a runner belongs to one thread


class ExecutorRunner(Runner):
    """A runner whose processes are started by the workers of an executor."""

    isolation = "a fork per program in each of the executor's workers"

    def __init__(self, executor: Executor, limits: Limits) -> None:
        """Open the runner of one worker, which runs one job at a time: seconds for torch.

        Raises RunnerError if a module of `limits.preload` cannot be imported there.
        """
        self._executor = executor
        self._limits = msgspec.structs.replace(limits, workers=1)
        executor.submit(_open, self._limits).result()

    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        """Yield a result for each job."""
        chunks = [list(jobs[at : at + CHUNK]) for at in range(0, len(jobs), CHUNK)]
        futures = [self._executor.submit(_run, self._limits, chunk, schema) for chunk in chunks]
        try:
            for future in as_completed(futures):
                yield from future.result()
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        """Shut the executor down without waiting for it."""
        self._executor.shutdown(wait=False)


def _runner(limits: Limits) -> Runner:
    """Return the runner of this thread, which is closed when the thread ends."""
    if getattr(_local, "limits", None) != limits:
        runner = open_runner(limits)
        weakref.finalize(threading.current_thread(), runner.close)
        _local.runner, _local.limits = runner, limits
    cached: Runner = _local.runner
    return cached


def _open(limits: Limits) -> None:
    _runner(limits)


def _run(limits: Limits, jobs: list[Job], schema: type[Answer]) -> list[JobResult[Answer]]:
    return list(_runner(limits).run(jobs, schema))
