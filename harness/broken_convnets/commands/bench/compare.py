"""Time three sides in turn, in several processes: the old one, the new one, the old one again.

What disturbs a machine disturbs neighbours in time alike, so sides are timed in turn, forth
and back in an order drawn anew each time; a round keeps the least sample of each side. Sides
under one interpreter share a process, where turns can be as short as one call.
"""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.bench.clock import repeat_for
from broken_convnets.commands.bench.verdict import Round
from broken_convnets.commands.bench.worker_group import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from broken_convnets.commands.bench.protocol import Target

OLD, NEW, AGAIN = SIDES = ("old", "new", "again")
ROUND_NS = 40_000_000  # what a round should not exceed
TURNS = 6  # forth and back, in a round of short calls
LEAST_ROUNDS = 5  # of each process, however long they take


@dataclass(frozen=True)
class Effort:
    """How much is done for one program."""

    processes: int = 5
    seconds: float = 2.8  # so that with the judgement it is three


class Team:
    """The workers of one process number: one for all sides, or one for each."""

    def __init__(self, workers: dict[str, Worker]) -> None:
        """Take the worker of each side; sides may share one."""
        self.workers = workers
        self._together = len(set(map(id, workers.values()))) == 1

    def open(self, targets: dict[str, Target], generator: random.Random) -> float:
        """Load the sides in a drawn order; return the longest call, in nanoseconds."""
        longest = 0.0
        names = list(targets)
        generator.shuffle(names)
        for worker in dict.fromkeys(self.workers[name] for name in names):
            mine = {name: targets[name] for name in names if self.workers[name] is worker}
            longest = max(longest, *worker.open(mine).values())
        return longest

    def close(self) -> None:
        """Let go of the programs."""
        for worker in set(self.workers.values()):
            worker.close_programs()

    def round(self, turns: int, repeat: int, generator: random.Random) -> Round:
        """Time each side 2 * `turns` times and keep the least of each."""
        least = dict.fromkeys(SIDES, float("inf"))
        for names in order(turns, generator, together=self._together):
            for name, ns in zip(names, self.workers[names[0]].time(names, repeat), strict=True):
                least[name] = min(least[name], ns)
        return Round(**least)


def order(turns: int, generator: random.Random, *, together: bool) -> list[list[str]]:
    """Return who is timed after whom, as one list for each request.

    Together, sides take turns call by call; apart, in blocks, since a request takes longer
    than a short call.
    """
    forth = list(SIDES)
    if together:
        names = []
        for _ in range(turns):
            generator.shuffle(forth)
            names += [*forth, *reversed(forth)]
        return [names]
    generator.shuffle(forth)
    return [[name] * turns for name in [*forth, *reversed(forth)]]


def rounds(
    teams: Sequence[Team],
    targets: dict[str, Target],
    effort: Effort,
    clock: Callable[[], float] = time.monotonic,
) -> list[list[Round]]:
    """Return the rounds of each process.

    Raises CannotTime where a side fails in one of them.
    """
    generator = random.Random(0)  # noqa: S311  (an order, no secret)
    end = clock() + effort.seconds
    try:
        longest = max(team.open(targets, generator) for team in teams)
        repeat = repeat_for(longest)
        turn_ns = 2 * len(SIDES) * longest * repeat
        turns = max(1, min(TURNS, int(ROUND_NS / turn_ns)))
        found: list[list[Round]] = [[] for _ in teams]
        began, lasted = clock(), 0.0
        while len(found[-1]) < LEAST_ROUNDS or began + lasted < end:
            for team, taken in zip(teams, found, strict=True):
                taken.append(team.round(turns, repeat, generator))
            lasted, began = clock() - began, clock()
    finally:
        for team in teams:
            team.close()
    return found


@dataclass(frozen=True)
class Bench:
    """Teams that are there, and the fingerprints of the old and the new side."""

    teams: list[Team]
    old: dict[str, str]
    new: dict[str, str]


@contextmanager
def open_bench(old: str, new: str, device: str, processes: int) -> Iterator[Bench]:
    """Start `processes` teams under the interpreters `old` and `new`; end them afterwards.

    Raises RunnerError where one cannot time programs.
    """
    pythons = {OLD: old, NEW: new, AGAIN: old}
    with ExitStack() as stack:

        def start() -> dict[str, Worker]:
            if old == new:
                return dict.fromkeys(SIDES, stack.enter_context(Worker(old, device)))
            return {side: stack.enter_context(Worker(pythons[side], device)) for side in SIDES}

        started = [start() for _ in range(processes)]  # all load torch at the same time
        found = [{side: worker.wait() for side, worker in team.items()} for team in started]
        yield Bench([Team(team) for team in started], found[0][OLD], found[0][NEW])
