"""docs/performance.md: the bounds of the figures of `measure_harness`, and the page."""

from __future__ import annotations

import os
import platform
from pathlib import Path

AT_MOST = {
    "reproduce, s": 60.0,
    "reproduce / forks": 1.5,
    "server / forks, empty programs": 2.0,
    "server / forks": 1.5,
    "ms a pair, 1000 / 100 pairs": 1.2,
    "peak memory, 1000 / 100 pairs": 1.1,
    "peak memory of reproduce, GB": 2.0,
    "list, s": 0.3,
    "show, s": 0.3,
    "explain, s": 0.3,
}
AT_LEAST = {"interpreters / server, empty programs": 40.0}
FLOORS = ("/ forks", "/ forks, empty programs")
CREDIBLE = 0.9  # of a ratio to bare forks, which cannot be slower than what is built on them

HEAD = """\
# Performance

Written by `{command}`; do not edit. Measured on {where}, shared with other work.

Running a program of the corpus means observing it: it runs in a process of its own, and the laws
check it. A pair is a case with its fix, each run once with every law but the two about structure.
The table compares ways to run pairs:

- *server*: the fork server that all commands use
- *forks*: a process that has imported torch, and forks once for each program; no server, no
  limits, no captured output. No implementation based on forks can be faster.
- *interpreters*: a new interpreter for each pair, extrapolated from a sample

*Empty programs* exit at once, so that only the isolation is measured.

| pairs | forks, empty programs, ms a pair | server, empty programs, ms a pair | forks, ms a pair \
| server, ms a pair | server, total s | interpreters, total s | server, peak memory, GB |
| --- | --- | --- | --- | --- | --- | --- | --- |"""
MIDDLE = """
Milliseconds a pair exclude the import of torch, total seconds include it. Peak memory counts
shared pages once. The rows were measured one after another under changing load, so do not divide
one by another. In the next table, ratios to *forks* were measured alternating.

| figure | measured | bound | verdict |
| --- | --- | --- | --- |"""


def bound(name: str) -> str:
    """Return the bound of a figure in words; empty if it has none."""
    if name in AT_LEAST:
        return f"at least {AT_LEAST[name]:g}"
    return f"at most {AT_MOST[name]:g}" if name in AT_MOST else ""


def missed(name: str, value: float) -> bool:
    """Return whether a figure misses its bound."""
    return value > AT_MOST.get(name, value) or value < AT_LEAST.get(name, value)


def page(rows: list[list[str]], figures: dict[str, float], command: str) -> str:
    """Return docs/performance.md; `rows` are those of the first table."""
    cores = len(os.sched_getaffinity(0))
    where = f"{cores} cores ({_processor()}), Python {platform.python_version()}"
    lines = [HEAD.format(command=command, where=where)]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines.append(MIDDLE)
    for name, value in figures.items():
        lines.append(f"| {name} | {value:.2f} | {bound(name)} | {_verdict(name, value)} |")
    return "\n".join(lines) + "\n"


def _verdict(name: str, value: float) -> str:
    if name.endswith(FLOORS) and value < CREDIBLE:
        return "disturbed: nothing is faster than bare forks"
    return "missed" if missed(name, value) else "met" if bound(name) else ""


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return text.partition("model name")[2].partition(":")[2].partition("\n")[0].strip()
