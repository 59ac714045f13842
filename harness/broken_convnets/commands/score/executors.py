"""Run jobs on any `concurrent.futures` executor, one fork server in each of its workers.

So a Dask cluster (`Client.get_executor()`) runs what is too much for one machine. A worker
that dies is the executor's affair: a chunk of jobs may be run again, and gives the same.
"""

from __future__ import annotations

import importlib
import sys
import threading
import weakref
from concurrent.futures import Executor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.errors import UsageError
from broken_convnets.observe.runner import open_torch_runner
from broken_convnets.sandbox.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.sandbox.job import Answer, Job, JobResult, Limits

CHUNK = 20  # jobs that a worker is given at a time

_here = threading.local()  # a runner is for one thread


class Spread(Runner):
    """A runner (`runner.py`) whose processes are started by an executor's workers."""

    isolation = "a fork per program in each of the executor's workers"

    def __init__(self, executor: Executor, limits: Limits) -> None:
        """Open the runner of one worker: seconds. Each worker runs one program at a time."""
        self._executor = executor
        self._limits = msgspec.structs.replace(limits, workers=1)
        executor.submit(_runner_opens, self._limits).result()

    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        """Yield an ending for each job."""
        chunks = [list(jobs[at : at + CHUNK]) for at in range(0, len(jobs), CHUNK)]
        futures = [self._executor.submit(_run, self._limits, chunk, schema) for chunk in chunks]
        try:
            for future in as_completed(futures):
                yield from future.result()
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        """Let the executor's workers go."""
        self._executor.shutdown(wait=False)


def named(spec: str) -> Executor:
    """Return the executor that `module:callable` gives; the module may lie in this folder.

    Raises UsageError where there is none, or what it gives is no executor.
    """
    module, _, name = spec.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        made = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError, ValueError) as error:
        message = f"--executor {spec}: {error}; give module:callable, which returns an executor"
        raise UsageError(message) from None
    finally:
        sys.path.pop(0)
    if not callable(getattr(made, "submit", None)):
        message = f"--executor {spec}: gives a {type(made).__name__}, which has no submit()"
        raise UsageError(message)
    executor: Executor = made
    return executor


def _runner(limits: Limits) -> Runner:
    """Return this thread's runner, which is closed when the thread is gone."""
    if getattr(_here, "limits", None) != limits:
        runner = open_torch_runner(limits)
        weakref.finalize(threading.current_thread(), runner.close)
        _here.runner, _here.limits = runner, limits
    kept: Runner = _here.runner
    return kept


def _runner_opens(limits: Limits) -> None:
    _runner(limits)


def _run(limits: Limits, jobs: list[Job], schema: type[Answer]) -> list[JobResult[Answer]]:
    return list(_runner(limits).run(jobs, schema))
