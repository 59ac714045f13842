"""Measure what the harness costs, against its floor and against fresh interpreters.

docs/performance.md says what those are. Run it with `nox -s selfcheck`; it exits with 1 where a
bound is missed. `--write` puts the tables into that page.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import psutil
from broken_convnets.corpus import entries as corpora
from broken_convnets.corpus.entries import Case
from broken_convnets.observe.facts import Observation, RunRequest
from broken_convnets.observe.runner import OBSERVE, PRELOAD
from broken_convnets.sandbox.fork_client import ForkServer
from broken_convnets.sandbox.job import Job, Limits
from broken_convnets.util import files
from broken_convnets.verdicts import collect

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
CORES = len(os.sched_getaffinity(0))
SAMPLE_EVERY = 0.25  # seconds between looks at memory
QUICK_RUNS = 5  # of a command that answers at once
NOTHING = "raise SystemExit"
SIZES = (10, 100, 1000)
BOUND_AT = 100  # pairs
AT_MOST = {
    "reproduce, s": 60.0,
    "reproduce / floor": 1.5,
    "nothing / empty forks": 2.0,
    "ours / floor": 1.5,
    "ms a pair, 1000 / 100 pairs": 1.2,
    "memory, 1000 / 100 pairs": 1.1,
    "memory, GB": 2.0,
    "list, s": 0.3,
    "show, s": 0.3,
    "explain, s": 0.3,
}
FLOORS = ("/ floor", "/ empty forks")
CREDIBLE = 0.9  # of a ratio to a floor
AT_LEAST = {"fresh / nothing": 40.0}


@dataclass(frozen=True)
class Run:
    """One way to run programs: until it is ready, all of it, and its peak of memory."""

    startup: float  # seconds
    seconds: float  # startup included
    peak: float  # GB, of the whole process tree
    processor: float  # seconds of work, which other load of the machine changes less


# What the processes that are timed do.


def jobs_of(pairs: int) -> list[Job]:
    """Return both programs of as many pairs, over and over the corpus."""
    entries = [e for e in corpora.load(ROOT).entries.values() if isinstance(e, Case)]
    chosen = itertools.islice(itertools.cycle(entries), pairs)
    sources = (source for case in chosen for source in case.programs().values())
    return [
        Job(number, OBSERVE, RunRequest(source, full=False))
        for number, source in enumerate(sources)
    ]


def ours(jobs: list[Job]) -> float:
    """Run jobs in the fork server; return when it was ready, on the clock of the wall."""
    with ForkServer(Limits(workers=CORES, preload=PRELOAD)) as server:
        ready = time.time()
        for _ in server.run(jobs, Observation):
            pass
    return ready


def bare(jobs: list[Job], act: Callable[[Job], object]) -> float:
    """Run `act` of each job in a bare fork of a warm process; return when that was ready."""
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
    """Observe a program in a folder of its own."""
    from broken_convnets.observe.run import observe as look  # noqa: PLC0415  (likewise)

    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        look(job.payload)


def fresh(jobs: list[Job]) -> NoReturn:
    """Observe both programs of a pair in this process."""
    from broken_convnets.observe import preload  # noqa: PLC0415  (imports torch)
    from broken_convnets.observe.run import observe as look  # noqa: PLC0415  (likewise)

    preload.configure()
    for job in jobs:
        with tempfile.TemporaryDirectory() as scratch:
            os.chdir(scratch)
            sys.modules.pop("program", None)
            look(job.payload)
    os._exit(0)


def whole() -> list[Job]:
    """Return the jobs of a whole `reproduce` on the CPU."""
    found = corpora.load(ROOT)
    return collect.plan(found, found.ids, ["cpu"]).jobs


def idle(pairs: int) -> list[Job]:
    """Return both programs of as many pairs that do next to nothing."""
    return [Job(number, OBSERVE, RunRequest(NOTHING)) for number in range(2 * pairs)]


WAYS: dict[str, Callable[[int], float]] = {
    "ours": lambda pairs: ours(jobs_of(pairs)),
    "nothing": lambda pairs: ours(idle(pairs)),
    "fresh": lambda number: fresh(jobs_of(number)[-2:]),
    "fresh nothing": lambda _: fresh(idle(1)),
    "floor": lambda pairs: bare(jobs_of(pairs), observe),
    "empty": lambda pairs: bare(jobs_of(pairs), lambda _: None),
    "whole": lambda _: bare(whole(), observe),
}


def act(way: str, pairs: int) -> None:
    """Do what a timed process does, and say on standard output when it was ready."""
    answer = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # programs print, too
    os.write(answer, json.dumps({"ready": WAYS[way](pairs)}).encode())
    os._exit(0)


# What times them.


def run(*arguments: str) -> Run:
    """Run a Python command in the repository, and follow its memory."""
    begun, start, peak = time.time(), time.perf_counter(), 0
    worked = processor_seconds()
    command = [sys.executable, *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        with ThreadPoolExecutor(1) as pool:
            said = pool.submit(process.communicate)
            while not said.done():
                peak = max(peak, tree_memory(process.pid))
                wait([said], timeout=SAMPLE_EVERY)  # a sleep would count as work
        seconds = time.perf_counter() - start
        if process.returncode:
            message = f"{' '.join(arguments)} failed with {process.returncode}"
            raise RuntimeError(message)
    text = said.result()[0]
    startup = json.loads(text)["ready"] - begun if arguments[0] == __file__ and text else 0.0
    return Run(startup, seconds, peak / 1e9, processor_seconds() - worked)


def processor_seconds() -> float:
    """Return what the processors have worked for the commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def way(name: str, pairs: int) -> Run:
    """Run one way in a process of its own."""
    return run(__file__, "--act", name, "--pairs", str(pairs))


def tree_memory(pid: int) -> int:
    """Return the proportional set size of a process and its descendants, in bytes.

    Pages that forked processes share count once.
    """
    total = 0
    try:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
            total += 1024 * int(text.partition("\nPss:")[2].split()[0])
    except (psutil.Error, OSError, IndexError):
        pass  # it has just ended
    return total


def fresh_pairs(name: str, sample: int) -> tuple[float, float]:
    """Return the seconds of a pair in a fresh interpreter: on the wall, of the processors.

    As many run at a time as there are cores.
    """
    start, worked = time.perf_counter(), processor_seconds()
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(lambda number: way(name, number + 1), range(sample)))
    wall, work = time.perf_counter() - start, processor_seconds() - worked
    return wall / sample, work / sample


def quick(*arguments: str, forgetful: bool = False) -> dict[str, float]:
    """Return the median seconds of a command of the harness: on the wall, of the processors.

    As users have it, Python keeps the bytecode of a first run, which does not count. A forgetful
    command finds nothing that one before it has left in the user's cache. To follow its memory
    would slow it.
    """
    command = [sys.executable, "-m", "broken_convnets", *arguments]
    walls, works = [], []
    for _ in range(1 + QUICK_RUNS):
        with tempfile.TemporaryDirectory() as folder:
            own = {"XDG_CACHE_HOME": folder} if forgetful else {}
            env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **own}
            start, worked = time.perf_counter(), processor_seconds()
            subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, check=True)
            walls.append(time.perf_counter() - start)
            works.append(processor_seconds() - worked)
    return {"s": statistics.median(walls[1:]), "processor s": statistics.median(works[1:])}


def say(text: str) -> None:
    """Say how far it is."""
    print(f"  {text}", file=sys.stderr, flush=True)


def by_size(sizes: tuple[int, ...]) -> dict[int, dict[str, Run]]:
    """Return each way at each number of pairs, one after another within a size."""
    found: dict[int, dict[str, Run]] = {}
    for pairs in sizes:
        found[pairs] = {}
        for name in ("empty", "nothing", "floor", "ours"):
            found[pairs][name] = way(name, pairs)
            say(f"{pairs} pairs, {name}: {found[pairs][name].seconds:.1f} s")
    return found


def figures(
    rows: dict[int, dict[str, Run]],
    fresh: tuple[float, float],
    isolated: tuple[float, float],
    rounds: int,
) -> dict[str, float]:
    """Return every figure that has a bound, and the same ones in processor time."""
    at, last = rows[BOUND_AT], max(rows)
    found = {
        "fresh / nothing": 1000 * isolated[0] / per_pair(rows, "nothing", BOUND_AT),
        "fresh / nothing, loading torch once": BOUND_AT * isolated[0] / at["nothing"].seconds,
        "fresh / ours": BOUND_AT * fresh[0] / at["ours"].seconds,
        "fresh / ours, processor time": BOUND_AT * fresh[1] / at["ours"].processor,
        "nothing / empty forks": alternated("nothing", "empty"),
        "ours / floor": alternated("ours", "floor"),
    }
    if last > BOUND_AT:
        growth = per_pair(rows, "ours", last) / per_pair(rows, "ours", BOUND_AT)
        found[f"ms a pair, {last} / {BOUND_AT} pairs"] = growth
        found[f"memory, {last} / {BOUND_AT} pairs"] = rows[last]["ours"].peak / at["ours"].peak
    found |= whole_corpus(rounds) if rounds else {}
    message = "Target 10 is out of bounds"
    for name, taken in {
        "list": quick("list"),
        "show": quick("show", "missing_return"),
        "explain": quick("explain", message),
        "explain, nothing remembered": quick("explain", message, forgetful=True),
    }.items():
        found |= {f"{name}, {unit}": value for unit, value in taken.items()}
    return found


def whole_corpus(rounds: int) -> dict[str, float]:
    """Return what `reproduce` takes for all of it, in rounds that alternate with its floor.

    A pair is two of the programs that it runs, controls included.
    """
    pairs = len({job.payload.source for job in whole()}) / 2
    taken = []
    for number in range(rounds):
        base, harness = (
            way("whole", 0),
            run("-m", "broken_convnets", "reproduce", "--device", "cpu"),
        )
        taken.append((base, harness))
        say(f"round {number + 1}: floor {base.seconds:.1f} s, reproduce {harness.seconds:.1f} s")
    return {
        "memory, GB": max(harness.peak for _, harness in taken),
        "reproduce, s": statistics.median(harness.seconds for _, harness in taken),
        "reproduce, s a pair": statistics.median(
            (harness.seconds - base.startup) / pairs for base, harness in taken
        ),
        "reproduce / floor": statistics.median(
            harness.seconds / base.seconds for base, harness in taken
        ),
    }


def per_pair(rows: dict[int, dict[str, Run]], name: str, pairs: int) -> float:
    """Return the milliseconds that a pair takes once torch is loaded."""
    one = rows[pairs][name]
    return 1000 * (one.seconds - one.startup) / pairs


def alternated(one: str, other: str, rounds: int = 3) -> float:
    """Return the median ratio of two ways' times of a pair, run in turn, each first in turn.

    Minutes apart they would meet different loads: so taken, a floor came out above what
    stands on it.
    """
    ratios = []
    for number in range(rounds):
        names = (one, other) if number % 2 else (other, one)
        taken = {name: way(name, BOUND_AT) for name in names}
        spent = {name: found.seconds - found.startup for name, found in taken.items()}
        ratios.append(spent[one] / spent[other])
        say(f"{one} / {other}, round {number + 1}: {ratios[-1]:.2f}")
    return statistics.median(ratios)


def bound(name: str) -> str:
    """Return what a figure is held to, in words."""
    if name in AT_LEAST:
        return f"at least {AT_LEAST[name]:g}"
    return f"at most {AT_MOST[name]:g}" if name in AT_MOST else ""


def missed(name: str, value: float) -> bool:
    """Return whether a figure is beyond its bound."""
    return value > AT_MOST.get(name, value) or value < AT_LEAST.get(name, value)


def page(
    rows: dict[int, dict[str, Run]],
    found: dict[str, float],
    fresh: tuple[float, float],
    command: str,
) -> str:
    """Return docs/performance.md."""
    where = f"{CORES} cores ({processor()}), Python {platform.python_version()}"
    lines = [HEAD.format(command=command, where=where)]
    for pairs, ways in rows.items():
        costs = " | ".join(f"{per_pair(rows, name, pairs):.1f}" for name in ways)
        last = ways["ours"]
        whole = f"{last.seconds:.1f} | {pairs * fresh[0]:.0f} | {last.peak:.2f}"
        lines.append(f"| {pairs} | {costs} | {whole} |")
    lines.append(MIDDLE)
    for name, value in found.items():
        verdict = "missed" if missed(name, value) else "kept" if bound(name) else ""
        if name.endswith(FLOORS) and value < CREDIBLE:
            verdict = "disturbed: nothing is below its floor"
        lines.append(f"| {name} | {value:.2f} | {bound(name)} | {verdict} |")
    return "\n".join(lines) + "\n"


HEAD = """\
# What the harness costs

Written by `{command}`; do not edit.
On {where}, shared with other work. The rows of the first table were taken one
after another, under whatever load there was: do not divide one by another. The ratios below it
were taken in turn, but for those with *fresh* and those between numbers of pairs.

- *floor*: one import of torch and of what is preloaded, then a bare fork per program, as many
  at a time as there are cores, each observing its program: no server, no limits, no captured
  output, no verdicts, no report
- *empty forks*: the same process, whose forks end at once
- *nothing*: our fork server, with programs that do next to nothing
- *ours*: our fork server, with programs of the corpus, over and over
- *fresh*: an interpreter for each pair, as many at a time as there are cores; a sample of them
  is measured, and the rest is multiplication

What isolation alone costs is *fresh / nothing*, milliseconds a pair: both sides do next to
nothing, and our server has loaded torch. With that, and with the work of the laws on both
sides (*fresh / ours*), the ratio is smaller.

| pairs | empty forks, ms a pair | nothing, ms a pair | floor, ms a pair | ours, ms a pair \
| ours in all, s | fresh in all, s | peak memory, GB |
| --- | --- | --- | --- | --- | --- | --- | --- |"""
MIDDLE = """
A pair is two programs, each under one seed and judged by every law but the two about structure,
as are two runs of three in `reproduce`. Milliseconds a pair leave out loading torch, which the
seconds in all hold; peak memory is that of ours, shared pages counted once.

| figure | here | bound | |
| --- | --- | --- | --- |"""


def processor() -> str:
    """Return the processor's model."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return text.partition("model name")[2].partition(":")[2].partition("\n")[0].strip()


def main() -> int:
    """Measure, print, and compare with the bounds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="leave out 1000 pairs")
    parser.add_argument("--rounds", type=int, default=3, help="of the whole corpus")
    parser.add_argument("--sample", type=int, default=6, help="pairs in fresh interpreters")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--act", help=argparse.SUPPRESS)
    parser.add_argument("--pairs", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.act:
        act(options.act, options.pairs)
    rows = by_size(tuple(size for size in SIZES if size <= BOUND_AT or not options.quick))
    fresh, isolated = (fresh_pairs(name, options.sample) for name in ("fresh", "fresh nothing"))
    say(f"a pair in a fresh interpreter: {fresh[0]:.2f} s, from {options.sample}")
    say(f"one that does next to nothing: {isolated[0]:.2f} s")
    found = figures(rows, fresh, isolated, options.rounds)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        for name, value in found.items():
            print(f"{name:30} {value:8.2f}  {bound(name)}")
    if options.write:
        command = f"nox -s selfcheck -- {' '.join(sys.argv[1:])}".strip()
        files.write(ROOT / "docs" / "performance.md", page(rows, found, fresh, command))
    return int(any(missed(name, value) for name, value in found.items()))


if __name__ == "__main__":
    sys.exit(main())
