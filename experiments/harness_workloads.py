"""The processes that `measure_harness` times: each runs programs in one way.

Each prints the time at which it was ready, that is, had imported torch and warmed up.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from broken_convnets.corpus import entries as corpora
from broken_convnets.corpus.entries import Case
from broken_convnets.observe.facts import Observation, RunRequest
from broken_convnets.observe.runner import OBSERVE, PRELOAD
from broken_convnets.sandbox.fork_client import ForkServer
from broken_convnets.sandbox.job import Job, Limits
from broken_convnets.verdicts import collect

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
CORES = len(os.sched_getaffinity(0))
EMPTY = "raise SystemExit"  # a program that does next to nothing


def corpus_jobs(pairs: int) -> list[Job]:
    """Return the jobs of `pairs` cases, each with its fix; repeats the corpus if necessary."""
    entries = [e for e in corpora.load(ROOT).entries.values() if isinstance(e, Case)]
    chosen = itertools.islice(itertools.cycle(entries), pairs)
    sources = (source for case in chosen for source in case.programs().values())
    return [
        Job(number, OBSERVE, RunRequest(source, full=False))
        for number, source in enumerate(sources)
    ]


def empty_jobs(pairs: int) -> list[Job]:
    """Return the jobs of as many pairs of empty programs."""
    return [Job(number, OBSERVE, RunRequest(EMPTY)) for number in range(2 * pairs)]


def reproduce_jobs() -> list[Job]:
    """Return the jobs of a whole `reproduce` on the CPU."""
    found = corpora.load(ROOT)
    return collect.plan(found, found.ids, ["cpu"]).jobs


def fork_server(jobs: list[Job]) -> float:
    """Run jobs in the fork server; return when it was ready, in seconds since the epoch."""
    with ForkServer(Limits(workers=CORES, preload=PRELOAD)) as server:
        ready = time.time()
        for _ in server.run(jobs, Observation):
            pass
    return ready


def bare_forks(jobs: list[Job], act: Callable[[Job], object]) -> float:
    """Run `act` on each job in a fork of this process; return when it was ready."""
    from broken_convnets.observe import preload  # noqa: PLC0415  (imports torch)

    preload.configure()
    preload.warm_up()
    ready = time.time()
    running: set[int] = set()
    for job in jobs:
        if len(running) >= CORES:
            running.discard(os.wait()[0])
        pid = os.fork()
        if pid == 0:
            act(job)
            os._exit(0)
        running.add(pid)
    while running:
        running.discard(os.wait()[0])
    return ready


def observe(job: Job) -> None:
    """Observe one program in a folder of its own."""
    from broken_convnets.observe.run import observe as observe_program  # noqa: PLC0415  (likewise)

    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        sys.modules.pop("program", None)
        observe_program(job.payload)


def interpreter(jobs: list[Job]) -> NoReturn:
    """Observe the programs of one pair in this process."""
    from broken_convnets.observe import preload  # noqa: PLC0415  (likewise)

    preload.configure()
    for job in jobs:
        observe(job)
    os._exit(0)


WORKLOADS: dict[str, Callable[[int], float]] = {
    "server": lambda pairs: fork_server(corpus_jobs(pairs)),
    "server, empty": lambda pairs: fork_server(empty_jobs(pairs)),
    "interpreter": lambda number: interpreter(corpus_jobs(number)[-2:]),
    "interpreter, empty": lambda _: interpreter(empty_jobs(1)),
    "forks": lambda pairs: bare_forks(corpus_jobs(pairs), observe),
    "forks, empty": lambda pairs: bare_forks(corpus_jobs(pairs), lambda _: None),
    "forks, reproduce": lambda _: bare_forks(reproduce_jobs(), observe),
}


def main(name: str, pairs: int) -> NoReturn:
    """Run a workload, and print when it was ready."""
    answer = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the programs print, too
    os.write(answer, json.dumps({"ready": WORKLOADS[name](pairs)}).encode())
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
