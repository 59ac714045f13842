"""The jobs of one run: which wait, which a server has, and which may have ended a server."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.sandbox.job import Job


class Batch:
    """Hands out jobs by their numbers, and again if their server dies before it answers.

    The jobs that had started are suspects: each runs alone. One that is alone when a server
    dies again is the culprit, and gets no third try.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        """Begin with all jobs waiting; their numbers must differ."""
        self._waiting = deque(jobs)
        self._suspects: deque[Job] = deque()
        self._sent: dict[int, Job] = {}
        self._started: set[int] = set()
        self._alone = False  # what was sent is one suspect

    @property
    def unfinished(self) -> bool:
        """Whether a job has no result yet."""
        return bool(self._waiting or self._suspects or self._sent)

    @property
    def sent(self) -> int:
        """How many jobs the server has."""
        return len(self._sent)

    def take(self, room: int) -> list[Job]:
        """Return the jobs to send to a server that may have `room` jobs at a time."""
        if self._suspects or self._alone:
            taken = [] if self._sent else [self._suspects.popleft()]
            self._alone = True
        else:
            count = min(room - len(self._sent), len(self._waiting))
            taken = [self._waiting.popleft() for _ in range(count)]
        self._sent.update((job.number, job) for job in taken)
        return taken

    def start(self, number: int) -> None:
        """Note that the process of a job exists, or is about to."""
        self._started.add(number)

    def finish(self, number: int) -> None:
        """Note that a job has a result."""
        del self._sent[number]
        self._started.discard(number)
        self._alone = False

    def server_died(self) -> Job | None:
        """Queue what the server had again; return the job that is to blame for a second death."""
        started = [job for job in self._sent.values() if job.number in self._started]
        queued = [job for job in self._sent.values() if job.number not in self._started]
        culprit = started.pop() if self._alone and started else None
        if self._alone:
            self._suspects.extendleft(queued)
        else:
            self._waiting.extendleft(reversed(queued))
        self._suspects.extend(started)
        self._sent.clear()
        self._started.clear()
        self._alone = False
        return culprit
