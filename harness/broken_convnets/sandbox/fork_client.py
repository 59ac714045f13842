"""The runner that starts a fork server and sends it jobs, and another one if that dies."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.errors import RunnerError
from broken_convnets.sandbox import wire
from broken_convnets.sandbox.batch import Batch
from broken_convnets.sandbox.connection import (
    LOOK_EVERY,
    Connection,
    ServerDiedError,
    ServerProcess,
)
from broken_convnets.sandbox.interpreter import Interpreter
from broken_convnets.sandbox.job import JobStatus
from broken_convnets.sandbox.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from broken_convnets.sandbox.job import Answer, Job, JobResult, Limits

QUEUED_PER_WORKER = 8  # keeps every worker busy; all jobs at once could fill both sockets
DEATHS_WITHOUT_A_JOB = 2  # in a row: then the cause is not a job


class ForkServer(Runner):
    """A process with modules preloaded that forks one child per job (`fork_server.py`).

    If it dies, a new one runs the jobs that have no result yet. A job during which two servers
    died counts as crashed.
    """

    isolation = "a fork per program"
    restarts = True

    def __init__(self, limits: Limits, python: str = sys.executable) -> None:
        """Start the server and wait until it has preloaded its modules: seconds for torch.

        Raises RunnerError if `python` cannot be started, or cannot import a module.
        """
        self._limits = limits
        self._sent = 0
        self._batch = Batch([])
        self._deaths = 0  # in a row, without a job that had started
        self._interpreter = Interpreter(python, limits.hash_seed)
        try:
            self._server = self._connect()
        except BaseException:
            self._interpreter.close()
            raise

    def _connect(self) -> Connection:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                server = Connection(self._start(theirs, ours), ours, self._limits)
        except RunnerError:
            ours.close()
            raise
        try:
            start = server.open(self._limits)
        except ServerDiedError as died:
            server.close()
            message = f"the fork server died as it started ({died}); see its output above"
            raise RunnerError(message) from None
        except BaseException:
            server.close()
            raise
        if start.error:
            server.close()
            raise RunnerError(start.error)
        if start.isolation:
            self.isolation = f"{type(self).isolation}, {start.isolation}"
        return server

    def _start(self, theirs: socket.socket, ours: socket.socket) -> ServerProcess:  # noqa: ARG002  (a fork must close it)
        return self._interpreter.start(
            f"{__package__}.fork_server",
            str(theirs.fileno()),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is for this process alone
        )

    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        """Yield a result for each job; raises RunnerError if no server can run them."""
        room = QUEUED_PER_WORKER * self._limits.workers
        for result in self.steps(jobs, schema, lambda: room, LOOK_EVERY):
            if result is not None:
                yield result

    def steps(
        self, jobs: Sequence[Job], schema: type[Answer], room: Callable[[], int], wait: float = 0
    ) -> Iterator[JobResult[Answer] | None]:
        """Yield as `run` does, and None after each `wait` seconds in which no job has ended.

        The server has at most `room()` jobs at a time, asked anew for each step; `unanswered`
        says how many it has.
        """
        first = self._sent  # numbers of its own, so that it knows the results of an earlier run
        self._sent += len(jobs)
        self._batch = Batch(
            msgspec.structs.replace(job, number=number, batch=len(jobs))
            for number, job in enumerate(jobs, first)
        )
        while self._batch.unfinished:
            result = self._step(first, room(), wait)
            if result is None:
                yield None
            else:
                number = jobs[result.job - first].number
                yield wire.decoded(msgspec.structs.replace(result, job=number), schema)

    @property
    def unanswered(self) -> int:
        """How many jobs the server has that have no result yet."""
        return self._batch.sent

    def fileno(self) -> int:
        """Return the descriptor that is ready when the server has something to say."""
        return self._server.fileno()

    def _step(self, first: int, room: int, wait: float) -> wire.EncodedResult | None:
        """Send jobs, read messages until there is a result, and return it; None after `wait`."""
        batch = self._batch
        try:
            self._server.send(batch.take(room))
            while batch.sent and (message := self._server.receive(wait)) is not None:
                self._deaths = 0
                if message.job < first:  # of a run that the caller abandoned
                    continue
                if isinstance(message, wire.JobStarted):
                    batch.start(message.job)
                else:
                    batch.finish(message.job)
                    return message
        except ServerDiedError as died:
            return self._replace_server(batch, str(died))
        return None

    def _replace_server(self, batch: Batch, how: str) -> wire.EncodedResult | None:
        """Start another server; return the result of the job that ended two of them, if any."""
        self._deaths += 1
        if not self.restarts or self._deaths > DEATHS_WITHOUT_A_JOB:
            message = f"the fork server died ({how}); see its output above"
            raise RunnerError(message)
        self._server.close()
        self._server = self._connect()
        culprit = batch.server_died()
        if culprit is None:
            return None
        detail = f"it ended the process that starts all programs ({how}), twice"
        return wire.EncodedResult(culprit.number, JobStatus.CRASHED, detail)

    def close(self) -> None:
        """Close the connection, at which the server kills its children, and wait for its end."""
        self._server.close()
        self._interpreter.close()
