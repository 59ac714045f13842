"""Measure what the comparison of times can tell: `python tests/measure_timing.py --help`.

    --tune      rounds of a program against itself and against one made 5 % slower, judged
                under every margin, confidence and number of processes: to choose from
    --confirm   fresh rounds under what was chosen; beside it the rule that people use, a
                stored baseline and `--benchmark-compare-fail=median:5%`; and the counts

The machine is kept busy meanwhile by processes of our own (--load).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import itertools
import json
import multiprocessing
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402  (a script: its own folder comes first)
from broken_convnets.commands.bench.compare import AGAIN, NEW, OLD, Effort, open_bench, rounds  # noqa: E402  (likewise)
from broken_convnets.commands.bench.protocol import Target  # noqa: E402  (likewise)
from broken_convnets.commands.bench.verdict import CONFIDENCE, MARGIN, Speed, judge  # noqa: E402  (likewise)
from broken_convnets.commands.cost import command as cost  # noqa: E402  (likewise)
from broken_convnets.commands.cost.baseline import difference_lines  # noqa: E402  (likewise)
from broken_convnets.corpus import entries as corpora  # noqa: E402  (likewise)
from broken_convnets.observe.facts import Cost
from broken_convnets.sandbox.job import Limits  # noqa: E402  (likewise)
from broken_convnets.sandbox.runner import open_runner  # noqa: E402  (likewise)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.bench.compare import Bench
    from broken_convnets.commands.bench.verdict import Round

CORPUS = corpora.load(ROOT)
SLOWER = 0.05
MARGINS = (0.01, 0.015, 0.02, 0.03)
CONFIDENCES = (0.9, 0.95, 0.99)
FRESH_INTERPRETERS = 4
Tries = list[list[list["Round"]]]

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
    """Load one core in bursts until killed."""
    generator = random.Random()  # noqa: S311  (load, no secret)
    while True:
        end = time.monotonic() + generator.uniform(0.01, 0.3)
        while time.monotonic() < end:
            sum(range(10_000))
        time.sleep(generator.uniform(0.0, 0.1))


@contextlib.contextmanager
def load(processes: int) -> Iterator[None]:
    """Keep the machine busy within the block."""
    started = [multiprocessing.Process(target=busy, daemon=True) for _ in range(processes)]
    for process in started:
        process.start()
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.join()


def programs(count: int) -> dict[str, str]:
    """Return fixes and controls, evenly from all over the corpus."""
    names = sorted(CORPUS.entries)
    chosen = names[:: max(1, len(names) // count)][:count]
    return {name: CORPUS.entries[name].programs()["fixed"] for name in chosen}


def take(bench: Bench, source: str, slower: float, effort: Effort) -> list[list[Round]]:
    """Return rounds of a program against itself, the new side slower by a share of its time."""
    old = Target(source + WAIT.format(ns=0))
    new = Target(source + WAIT.format(ns=int(slower and least_ns(bench, old) * slower)))
    return rounds(bench.teams, {OLD: old, NEW: new, AGAIN: old}, effort)


def least_ns(bench: Bench, target: Target) -> float:
    """Return about how long a program takes."""
    worker = bench.teams[0].workers[OLD]
    least = worker.open({OLD: target})[OLD]
    worker.close_programs()
    return least


def tune(options: argparse.Namespace) -> dict[str, Any]:
    """Return false alarms and findings under every choice, from one set of rounds."""
    effort = Effort(8, options.seconds * 8 / 5)  # as long for each process as with five
    taken: dict[float, Tries] = {0.0: [], SLOWER: []}
    with open_bench(sys.executable, sys.executable, "cpu", effort.processes) as bench:
        for name, source in programs(options.programs).items():
            for slower, tries in taken.items():
                tries += [take(bench, source, slower, effort) for _ in range(options.repeats)]
            say(f"  {name}")
    grid = itertools.product((2, 3, 5, 8), MARGINS, CONFIDENCES)
    return {
        f"{count} processes, margin {margin:.1%}, confidence {confidence:.0%}": {
            "false alarms": share(taken[0.0], count, margin, confidence),
            "found": share(taken[SLOWER], count, margin, confidence),
        }
        for count, margin, confidence in grid
    }


def share(tries: Tries, count: int, margin: float, confidence: float) -> str:
    """Return how many tries are judged slower by their first processes."""
    alarms = [judge(each[:count], margin, confidence).speed is Speed.SLOWER for each in tries]
    return f"{sum(alarms)} of {len(alarms)}"


def confirm(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the chosen rule tells on fresh rounds, and what a stored baseline tells."""
    effort = Effort(options.processes, options.seconds)
    same: list[Speed] = []
    slower: list[Speed] = []
    spent = []
    with open_bench(sys.executable, sys.executable, "cpu", effort.processes) as bench:
        for number in range(options.repeats):
            for source in programs(options.programs).values():
                start = time.monotonic()
                same.append(judge(take(bench, source, 0.0, effort)).speed)
                spent.append(time.monotonic() - start)
                if number % 5 == 0:
                    slower.append(judge(take(bench, source, SLOWER, effort)).speed)
            say(
                f"  {number + 1} of {options.repeats}: {same.count(Speed.SLOWER)} false alarms, "
                f"{slower.count(Speed.SLOWER)} of {len(slower)} found"
            )
    return {
        "rule": f"margin {MARGIN:.1%}, confidence {CONFIDENCE:.0%}, {effort.processes} processes",
        "false alarms": f"{same.count(Speed.SLOWER)} of {len(same)}",
        "called the same": f"{same.count(Speed.SAME)} of {len(same)}",
        "5 % slower found": f"{slower.count(Speed.SLOWER)} of {len(slower)}",
        "seconds a case, at most": round(max(spent), 1),
        "stored baseline, median:5%": stored_baseline(),
    }


def stored_baseline() -> str:
    """Return how often pytest-benchmark's rule calls a program slower than itself."""
    with tempfile.TemporaryDirectory() as store:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "experiments/bench_forward.py",
            "-q",
            "-k",
            "cpu and small",
            "--benchmark-max-time=0.1",
            f"--benchmark-storage=file://{store}",
            "--benchmark-save=run",
        ]
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        compare = ["--benchmark-compare", "--benchmark-compare-fail=median:5%"]
        done = subprocess.run(
            command + compare, cwd=ROOT, capture_output=True, text=True, check=False
        )
    alarms = len(re.findall(r"has failed PercentageRegressionCheck", done.stdout + done.stderr))
    return f"{alarms} of {len(CORPUS.entries)} false alarms"


def counts(processes: int) -> dict[str, str]:
    """Return in how many processes a program's counts are the same, and what they find."""
    sources = programs(1)
    ((name, source),) = sources.items()
    clone = source + "\n_f = Net.forward\nNet.forward = lambda self, *x: _f(self, *x).clone()\n"
    upcast = source + "\n_f = Net.forward\nNet.forward = lambda self, *x: _f(self, *x).double()\n"
    with open_runner(Limits(workers=2)) as runner:
        forks = [
            cost.count(runner, sources, "cpu").programs[name]
            for _ in range(processes // cost.TWICE)
        ]
        found = cost.count(runner, {"clone": clone, "upcast": upcast}, "cpu").programs
    fresh = [fresh_count(name) for _ in range(FRESH_INTERPRETERS)]
    equal = cost.TWICE * sum(each == forks[0] for each in forks)
    changed = sum(bool(difference_lines(forks[0], each)) for each in found.values())
    return {
        "same in forks": f"{equal} of {processes}",
        "same in fresh interpreters": f"{sum(e == forks[0] for e in fresh)} of {len(fresh)}",
        "a clone and an upcast found": f"{changed} of {len(found)}",
        "ms of processor time a program": counting_ms(),
    }


def counting_ms() -> str:
    """Return how long counting takes once torch is loaded, in this process."""
    import torch  # noqa: PLC0415  (takes seconds)
    from broken_convnets.observe import (
        op_counter,  # noqa: PLC0415  (likewise)
        preload,  # noqa: PLC0415  (likewise)
    )
    from broken_convnets.observe.program import FILE_NAME, Program  # noqa: PLC0415  (likewise)

    preload.configure()
    preload.warm_up()
    taken = []
    for source in programs(50).values():
        sys.modules.pop(Path(FILE_NAME).stem, None)
        importlib.invalidate_caches()
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), torch.no_grad():
            program = Program.load(source, 0, "cpu")
            net, inputs = program.net().eval(), program.inputs()
            start = time.process_time()
            op_counter.count_forward(net, inputs)
            taken.append(1000 * (time.process_time() - start))
    tenth = statistics.quantiles(taken, n=10)[-1]
    figures = (statistics.median(taken), tenth, max(taken))
    return "{:.1f} in the middle, {:.1f} in nine of ten, {:.1f} at most".format(*figures)


def fresh_count(name: str) -> Cost:
    """Return a program's counts as another interpreter gives them."""
    command = [sys.executable, "-m", "broken_convnets", "cost", name, "--json", "--device", "cpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    programs = json.loads(done.stdout)["devices"]["cpu"]["programs"]
    return msgspec.convert(programs[f"{name} fixed"], Cost)


def say(text: str) -> None:
    """Say how far it is."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--confirm", action="store_true")
    parser.add_argument("--counts", type=int, default=0, metavar="PROCESSES")
    parser.add_argument("--load", type=int, default=2, metavar="PROCESSES")
    parser.add_argument("--programs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--processes", type=int, default=Effort().processes)
    parser.add_argument("--seconds", type=float, default=Effort().seconds)
    options = parser.parse_args()
    found: dict[str, Any] = {}
    with load(options.load):
        if options.tune:
            found |= tune(options)
        if options.confirm:
            found |= confirm(options)
        if options.counts:
            found |= counts(options.counts)
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
