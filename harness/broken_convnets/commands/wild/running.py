"""Run programs in the sandbox: what they do under each seed, and which of their lines run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.wild.lines_job import EXECUTED_LINES, ExecutedLines, LinesRequest
from broken_convnets.observe.facts import Observation, Run, RunRequest
from broken_convnets.observe.runner import OBSERVE
from broken_convnets.sandbox.job import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from broken_convnets.commands.wild.store import Check
    from broken_convnets.sandbox.runner import Runner

    Judge = Callable[[int, Sequence[Run]], Check]

SEEDS = 2  # of each program that is kept


@dataclass(frozen=True)
class Program:
    """A program to run; `full` if the laws of structure are judged too, with the first seed."""

    source: str
    full: bool
    seeds: int = SEEDS


def observed(
    runner: Runner, programs: Sequence[Program], judge: Judge[Check]
) -> Iterator[tuple[int, Check]]:
    """Yield the number of each program with its check, once that is known.

    So that what is known can be stored even if the others never end. `judge` returns the check
    of a program by its number and its runs, in the order of the seeds. A program that its first
    run rejects does not run again: no other run could make up for it.
    """
    waiting = set(range(len(programs)))
    runs: dict[int, list[Run]] = {at: [] for at in waiting}
    for seed in range(SEEDS):
        for at, run in _runs(runner, programs, waiting, seed):
            runs[at].append(run)
            check = judge(at, runs[at])
            if check.reason or len(runs[at]) == programs[at].seeds:
                waiting.remove(at)
                yield at, check


def _runs(
    runner: Runner, programs: Sequence[Program], numbers: Iterable[int], seed: int
) -> Iterator[tuple[int, Run]]:
    """Yield the numbers of the programs with their run under a seed, in the order of ending."""
    jobs = [
        Job(at, OBSERVE, RunRequest(programs[at].source, seed, full=programs[at].full and not seed))
        for at in sorted(numbers)
    ]
    for run in runner.run(jobs, Observation) if jobs else ():
        yield run.job, run


def executed(runner: Runner, sources: Sequence[str]) -> list[list[int]]:
    """Return the lines of each program that run; none if it cannot run."""
    jobs = [Job(at, EXECUTED_LINES, LinesRequest(source)) for at, source in enumerate(sources)]
    found: list[list[int]] = [[] for _ in sources]
    for result in runner.run(jobs, ExecutedLines) if jobs else ():
        found[result.job] = result.answer.lines if result.answer else []
    return found
