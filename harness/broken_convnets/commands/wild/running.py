"""Run programs in the sandbox: what they do under each seed, and which of their lines run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.wild.lines_job import EXECUTED_LINES, ExecutedLines, LinesRequest
from broken_convnets.observe.facts import Observation, Run, RunRequest
from broken_convnets.observe.runner import OBSERVE
from broken_convnets.sandbox.job import Job

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.sandbox.runner import Runner

SEEDS = 2  # runs of each program


@dataclass(frozen=True)
class Program:
    """A program to run; `full` if the laws of structure are judged too."""

    source: str
    full: bool


def observed(runner: Runner, programs: Sequence[Program]) -> Iterator[tuple[int, list[Run]]]:
    """Yield the number of each program with its runs, in the order of the seeds, once it ends.

    So that what is known can be stored even if the others never end.
    """
    jobs = [
        Job(at * SEEDS + seed, OBSERVE, RunRequest(one.source, seed, full=one.full and seed == 0))
        for at, one in enumerate(programs)
        for seed in range(SEEDS)
    ]
    ended: list[list[Run]] = [[] for _ in programs]
    for run in runner.run(jobs, Observation) if jobs else ():
        at = run.job // SEEDS
        ended[at].append(run)
        if len(ended[at]) == SEEDS:
            yield at, sorted(ended[at], key=lambda one: one.job)


def executed(runner: Runner, sources: Sequence[str]) -> list[list[int]]:
    """Return the lines of each program that run; none if it cannot run."""
    jobs = [Job(at, EXECUTED_LINES, LinesRequest(source)) for at, source in enumerate(sources)]
    found: list[list[int]] = [[] for _ in sources]
    for result in runner.run(jobs, ExecutedLines) if jobs else ():
        found[result.job] = result.answer.lines if result.answer else []
    return found
