"""Measure how reliable the verdicts of `bench` are, and whether the counts of `cost` repeat.

    python -m experiments.measure_timing --programs 20 --repeats 10 --counts 200

Compares programs with themselves (A/A, false alarms) and with versions that are 5 % slower, and
applies the usual rule, a stored baseline with `--benchmark-compare-fail=median:5%`, to the same
machine. Busy processes (--load) run beside all of it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from broken_convnets.commands.bench.compare import Bench, Effort, open_bench
from broken_convnets.commands.bench.timing_job import TimedProgram
from broken_convnets.commands.bench.verdict import CONFIDENCE, MARGIN, Round, Speed, verdict_of
from broken_convnets.commands.cost import counting
from broken_convnets.commands.cost.baseline import difference_lines
from broken_convnets.corpus import entries as corpora
from broken_convnets.observe.facts import Cost
from broken_convnets.observe.runner import open_torch_runner
from broken_convnets.sandbox.job import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
CORPUS = corpora.load(ROOT)
SLOWDOWN = 0.05
SLOWER_EVERY = 5  # repeats that also compare with the slower version
NEW_INTERPRETERS = 4

# Appended to a program: its forward pass then waits for some nanoseconds, busily.
WAIT = """

import time

_forward = Net.forward


def _waiting(self, *inputs):
    output = _forward(self, *inputs)
    end = time.perf_counter_ns() + {ns}
    while time.perf_counter_ns() < end:
        pass
    return output


Net.forward = _waiting
"""


def busy() -> None:
    """Load one core in bursts until killed, or until the parent process ends."""
    generator = random.Random()  # noqa: S311  (load, not a secret)
    parent = os.getppid()
    while os.getppid() == parent:
        end = time.monotonic() + generator.uniform(0.01, 0.3)
        while time.monotonic() < end:
            sum(range(10_000))
        time.sleep(generator.uniform(0.0, 0.1))


@contextlib.contextmanager
def load(processes: int) -> Iterator[None]:
    """Run busy processes within the block."""
    started = [multiprocessing.Process(target=busy, daemon=True) for _ in range(processes)]
    for process in started:
        process.start()
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.join()


def sources(count: int) -> list[str]:
    """Return fixes and controls, evenly distributed over the corpus."""
    names = sorted(CORPUS.entries)
    chosen = names[:: max(1, len(names) // count)][:count]
    return [CORPUS.entries[name].programs()["fixed"] for name in chosen]


def rounds_of(bench: Bench, source: str, wait_ns: int, effort: Effort) -> list[list[Round]]:
    """Compare a program with a version that waits for `wait_ns` in each forward pass."""
    old, new = (TimedProgram(source + WAIT.format(ns=ns)) for ns in (0, wait_ns))
    return bench.compare(old, new, effort)


def comparisons(options: argparse.Namespace) -> dict[str, Any]:
    """Return the shares of false alarms and of slower versions found."""
    effort = Effort(options.processes, options.seconds)
    same: list[Speed] = []
    slower: list[Speed] = []
    seconds = []
    with open_bench(sys.executable, sys.executable, "cpu") as bench:
        for number in range(options.repeats):
            for source in sources(options.programs):
                start = time.monotonic()
                rounds = rounds_of(bench, source, 0, effort)
                same.append(verdict_of(rounds).speed)
                seconds.append(time.monotonic() - start)
                if number % SLOWER_EVERY == 0:
                    waiting = rounds_of(bench, source, slowdown_ns(rounds), effort)
                    slower.append(verdict_of(waiting).speed)
            progress(number + 1, options.repeats, same, slower)
    return {
        "rule": f"margin {MARGIN:.1%}, confidence {CONFIDENCE:.0%}, {effort.processes} processes",
        "A/A called slower (false alarms)": share(same, Speed.SLOWER),
        "A/A called faster (false alarms)": share(same, Speed.FASTER),
        "A/A called the same": share(same, Speed.SAME),
        f"{SLOWDOWN:.0%} slower, called slower": share(slower, Speed.SLOWER),
        "seconds a comparison, median": round(statistics.median(seconds), 1),
    }


def slowdown_ns(rounds: list[list[Round]]) -> int:
    """Return SLOWDOWN of the time of a forward pass, in nanoseconds."""
    times = [each.old for process in rounds for each in process]
    return int(SLOWDOWN * statistics.median(times))


def share(verdicts: list[Speed], wanted: Speed) -> str:
    """Return how many of the verdicts are the wanted one."""
    return f"{verdicts.count(wanted)} of {len(verdicts)}"


def progress(done: int, total: int, same: list[Speed], slower: list[Speed]) -> None:
    """Print the state so far to stderr."""
    alarms, found = share(same, Speed.SLOWER), share(slower, Speed.SLOWER)
    print(f"  {done} of {total}: {alarms} false alarms, {found} found", file=sys.stderr, flush=True)


def stored_baseline() -> str:
    """Return how often pytest-benchmark's rule calls a program slower than itself."""
    with tempfile.TemporaryDirectory() as store:
        command = [sys.executable, "-m", "pytest", "experiments/bench_forward.py", "-q"]
        command += ["-k", "cpu and small", "--benchmark-max-time=0.1"]
        command += [f"--benchmark-storage=file://{store}", "--benchmark-save=run"]
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        command += ["--benchmark-compare", "--benchmark-compare-fail=median:5%"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    alarms = len(re.findall(r"has failed PercentageRegressionCheck", done.stdout + done.stderr))
    return f"{alarms} of {len(CORPUS.entries)}"


def counts(processes: int) -> dict[str, str]:
    """Return in how many processes the counts of a program agree, and what they detect."""
    name = min(CORPUS.entries)
    source = CORPUS.entries[name].programs()["fixed"]
    clone = source + "\n_f = Net.forward\nNet.forward = lambda self, *x: _f(self, *x).clone()\n"
    upcast = source + "\n_f = Net.forward\nNet.forward = lambda self, *x: _f(self, *x).double()\n"
    with open_torch_runner(Limits(workers=2)) as runner:
        forks = [
            counting.count(runner, {name: source}, "cpu").programs[name]
            for _ in range(processes // counting.PROCESSES)
        ]
        changed = counting.count(runner, {"clone": clone, "upcast": upcast}, "cpu").programs
    new = [count_in_new_interpreter(name) for _ in range(NEW_INTERPRETERS)]
    equal = counting.PROCESSES * sum(each == forks[0] for each in forks)
    found = sum(bool(difference_lines(forks[0], each)) for each in changed.values())
    return {
        "counts equal in forked processes": f"{equal} of {processes}",
        "counts equal in new interpreters": f"{sum(e == forks[0] for e in new)} of {len(new)}",
        "a clone and an upcast, detected by counts": f"{found} of {len(changed)}",
    }


def count_in_new_interpreter(name: str) -> Cost:
    """Return the counts of a program from a run of the command line."""
    command = [sys.executable, "-m", "broken_convnets", "cost", name, "--json", "--device", "cpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    programs = json.loads(done.stdout)["devices"]["cpu"]["programs"]
    return msgspec.convert(programs[f"{name} fixed"], Cost)


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--load", type=int, default=2, metavar="PROCESSES")
    parser.add_argument("--programs", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--processes", type=int, default=Effort.processes)
    parser.add_argument("--seconds", type=float, default=Effort.seconds)
    parser.add_argument("--counts", type=int, default=0, metavar="PROCESSES")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    with load(options.load):
        found |= comparisons(options)
        found["A/A called slower by a stored baseline, median:5%"] = stored_baseline()
        if options.counts:
            found |= counts(options.counts)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
