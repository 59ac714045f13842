"""Measure the cost of running programs, against bare forks and against new interpreters.

docs/performance.md explains the figures. Run it with `nox -s selfcheck`; it exits with 1 if a
bound is missed. `--write` writes that page.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from broken_convnets.util import files

from experiments.harness_workloads import CORES, ROOT, reproduce_jobs
from experiments.performance_page import bound, missed, page
from experiments.timed_process import Run, processor_seconds, run, workload

QUICK_RUNS = 5  # of a command that takes a fraction of a second
ALTERNATIONS = 3
SIZES = (10, 100, 1000)
BOUND_AT = 100  # pairs
BY_SIZE = ("forks, empty", "server, empty", "forks", "server")


def by_size(sizes: tuple[int, ...]) -> dict[int, dict[str, Run]]:
    """Return a run of each workload at each number of pairs."""
    found: dict[int, dict[str, Run]] = {}
    for pairs in sizes:
        found[pairs] = {}
        for name in BY_SIZE:
            found[pairs][name] = workload(name, pairs)
            progress(f"{pairs} pairs, {name}: {found[pairs][name].seconds:.1f} s")
    return found


def interpreters(name: str, sample: int) -> tuple[float, float]:
    """Return the seconds and the processor seconds of a pair in a new interpreter.

    As many run at a time as there are cores.
    """
    start, worked = time.perf_counter(), processor_seconds()
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(lambda number: workload(name, number + 1), range(sample)))
    seconds, work = time.perf_counter() - start, processor_seconds() - worked
    progress(f"a pair, {name}: {seconds / sample:.2f} s, from {sample}")
    return seconds / sample, work / sample


def isolation(
    rows: dict[int, dict[str, Run]], pair: tuple[float, float], empty: tuple[float, float]
) -> dict[str, float]:
    """Return the ratios of the ways to run programs, and how they grow with the number."""
    at, last = rows[BOUND_AT], max(rows)
    found = {
        "interpreters / server, empty programs": 1000 * empty[0] / ms(rows, "server, empty"),
        "the same, import of torch included": BOUND_AT * empty[0] / at["server, empty"].seconds,
        "interpreters / server": BOUND_AT * pair[0] / at["server"].seconds,
        "interpreters / server, processor time": BOUND_AT * pair[1] / at["server"].processor,
        "server / forks, empty programs": alternating("server, empty", "forks, empty"),
        "server / forks": alternating("server", "forks"),
    }
    if last > BOUND_AT:
        growth = ms(rows, "server", last) / ms(rows, "server")
        found[f"ms a pair, {last} / {BOUND_AT} pairs"] = growth
        memory = rows[last]["server"].peak / at["server"].peak
        found[f"peak memory, {last} / {BOUND_AT} pairs"] = memory
    return found


def ms(rows: dict[int, dict[str, Run]], name: str, pairs: int = BOUND_AT) -> float:
    """Return the milliseconds a pair takes once torch is imported."""
    return 1000 * rows[pairs][name].working / pairs


def alternating(one: str, other: str) -> float:
    """Return the median ratio of the times of two workloads, run alternating.

    Minutes apart they would run under different load.
    """
    ratios = []
    for number in range(ALTERNATIONS):
        names = (one, other) if number % 2 else (other, one)
        found = {name: workload(name, BOUND_AT).working for name in names}
        ratios.append(found[one] / found[other])
        progress(f"{one} / {other}, round {number + 1}: {ratios[-1]:.2f}")
    return statistics.median(ratios)


def whole_corpus(rounds: int) -> dict[str, float]:
    """Return the figures of `reproduce`, alternating with bare forks of the same programs."""
    if not rounds:
        return {}
    pairs = len({job.payload.source for job in reproduce_jobs()}) / 2
    command = ("-m", "broken_convnets", "reproduce", "--device", "cpu")
    found = []
    for number in range(rounds):
        base, reproduce = workload("forks, reproduce"), run(*command)
        found.append((base, reproduce))
        times = f"forks {base.seconds:.1f} s, reproduce {reproduce.seconds:.1f} s"
        progress(f"round {number + 1}: {times}")
    each = [(reproduce.seconds - base.startup) / pairs for base, reproduce in found]
    return {
        "peak memory of reproduce, GB": max(reproduce.peak for _, reproduce in found),
        "reproduce, s": statistics.median(reproduce.seconds for _, reproduce in found),
        "reproduce, s a pair": statistics.median(each),
        "reproduce / forks": statistics.median(r.seconds / base.seconds for base, r in found),
    }


def quick_commands() -> dict[str, float]:
    """Return the times of the commands that do not import torch."""
    commands = {
        "list": quick("list"),
        "show": quick("show", "missing_return"),
        "explain": quick("explain", "Target 10 is out of bounds"),
    }
    return {
        f"{name}, {unit}": value
        for name, times in commands.items()
        for unit, value in times.items()
    }


def quick(*arguments: str) -> dict[str, float]:
    """Return the median seconds and processor seconds of a command.

    The first run, which writes Python's bytecode, does not count.
    """
    command = [sys.executable, "-m", "broken_convnets", *arguments]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    walls, works = [], []
    for _ in range(1 + QUICK_RUNS):
        start, worked = time.perf_counter(), processor_seconds()
        subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, check=True)
        walls.append(time.perf_counter() - start)
        works.append(processor_seconds() - worked)
    return {"s": statistics.median(walls[1:]), "processor s": statistics.median(works[1:])}


def table(rows: dict[int, dict[str, Run]], pair_seconds: float) -> list[list[str]]:
    """Return the rows of the page's first table."""
    found = []
    for pairs, runs in rows.items():
        each = [f"{ms(rows, name, pairs):.1f}" for name in BY_SIZE]
        last = runs["server"]
        total = [f"{last.seconds:.1f}", f"{pairs * pair_seconds:.0f}", f"{last.peak:.2f}"]
        found.append([str(pairs), *each, *total])
    return found


def progress(text: str) -> None:
    """Print a line to stderr."""
    print(f"  {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Measure, print, and compare with the bounds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="skip 1000 pairs")
    parser.add_argument("--rounds", type=int, default=3, help="runs of the whole corpus")
    parser.add_argument("--sample", type=int, default=6, help="pairs in new interpreters")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    options = parser.parse_args()
    rows = by_size(tuple(size for size in SIZES if size <= BOUND_AT or not options.quick))
    pair, empty = (
        interpreters(name, options.sample) for name in ("interpreter", "interpreter, empty")
    )
    figures = isolation(rows, pair, empty) | whole_corpus(options.rounds) | quick_commands()
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            print(f"{name:40} {value:8.2f}  {bound(name)}")
    if options.write:
        command = f"nox -s selfcheck -- {' '.join(sys.argv[1:])}".strip()
        text = page(table(rows, pair[0]), figures, command)
        files.write(ROOT / "docs" / "performance.md", text)
    return int(any(missed(name, value) for name, value in figures.items()))


if __name__ == "__main__":
    sys.exit(main())
