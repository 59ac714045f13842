"""Measure what the harness costs beyond its floor, as ratios from interleaved runs.

The floor of `reproduce` is one import of torch and of what is preloaded, plus a bare fork of
that process per run, as many at a time as there are cores, each observing its program: no
server, no limits, no captured output, no verdicts, no report. Run it with
`nox -s selfcheck`; it exits with 1 where a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from harness import corpus, reproduce  # noqa: E402  (a script: its own folder comes first)

BOUNDS = {
    "reproduce / floor": 1.5,
    "memory, GB": 2.0,
    "list, s": 0.3,
    "show, s": 0.3,
    "explain, s": 0.3,
}


def floor(workers: int) -> None:
    """Run every job of the corpus in a bare fork; this is the process to be timed."""
    from harness import warm  # noqa: PLC0415
    from harness.observe import observe  # noqa: PLC0415

    warm.calm()
    warm.preload()
    found = corpus.load(ROOT)
    jobs = reproduce.plan(found, found.ids, ["cpu"]).jobs
    running: set[int] = set()
    for job in jobs:
        if len(running) >= workers:
            running.discard(os.wait()[0])
        pid = os.fork()
        if pid == 0:
            with tempfile.TemporaryDirectory() as scratch:
                os.chdir(scratch)
                warm.settle()
                observe(job)
            os._exit(0)
        running.add(pid)
    while running:
        running.discard(os.wait()[0])


def seconds(*arguments: str) -> float:
    """Return the wall time of a Python command in the repository."""
    start = time.perf_counter()
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def peak_memory(*arguments: str) -> float:
    """Return the peak of a command's whole process tree, in GB.

    Pages that forked processes share count once (the proportional set size).
    """
    peak = 0
    with subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            peak = max(peak, tree_memory(process.pid))
            time.sleep(0.2)
    return peak / 1e9


def tree_memory(pid: int) -> int:
    """Return the proportional set size of a process and its descendants, in bytes."""
    total = 0
    try:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
            total += 1024 * int(text.partition("\nPss:")[2].split()[0])
    except (psutil.Error, OSError, IndexError):
        pass  # it has just ended
    return total


def measure(rounds: int, workers: int) -> dict[str, float]:
    """Return every figure, by the name it has in BOUNDS."""
    pairs = []
    for number in range(rounds):
        base = seconds(__file__, "--floor", "--workers", str(workers))
        ours = seconds("-m", "harness", "reproduce", "--device", "cpu", "--workers", str(workers))
        pairs.append(ours / base)
        line = f"  round {number + 1}: floor {base:.2f} s, reproduce {ours:.2f} s, {pairs[-1]:.2f}"
        print(line, file=sys.stderr)
    quick = {name: [seconds("-m", "harness", name, *rest) for _ in range(5)]
             for name, rest in (("list", []), ("show", ["missing_return"]),
                                ("explain", ["Target 10 is out of bounds"]))}  # fmt: skip
    return {
        "reproduce / floor": statistics.median(pairs),
        "memory, GB": peak_memory("-m", "harness", "reproduce", "--device", "cpu"),
        "list, s": statistics.median(quick["list"]),
        "show, s": statistics.median(quick["show"]),
        "explain, s": statistics.median(quick["explain"]),
    }


def main() -> int:
    """Measure, print, and compare with the bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--floor", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.floor:
        floor(options.workers)
        return 0
    figures = measure(options.rounds, options.workers)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            print(f"{name:20} {value:6.2f}  at most {BOUNDS[name]}")
    return int(any(figures[name] > bound for name, bound in BOUNDS.items()))


if __name__ == "__main__":
    sys.exit(main())
