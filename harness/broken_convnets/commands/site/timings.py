"""Read stored timings of forward passes, and plot them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from broken_convnets.commands.site.markup import tag
from broken_convnets.errors import RecordError

if TYPE_CHECKING:
    from pathlib import Path

    from markupsafe import Markup

WIDTH = 720
LEFT, RIGHT, TOP = 92, 16, 26
PLOTTED = "small"  # the plotted size: every network has it
SIZES = {"small": "its own inputs", "batch": "a batch of 32", "image": "224 x 224 pixels"}
ROW = 30.0
DOT = 4.0
SPREAD = 5.0  # vertical distance between neighboring dots of one topic


class Params(Struct, frozen=True):
    """The parameters of a benchmark."""

    name: str
    device: str = "cpu"
    size: str = PLOTTED


class Stats(Struct, frozen=True):
    """The measured times in seconds."""

    median: float
    q1: float
    q3: float
    rounds: int


class Benchmark(Struct, frozen=True):
    """The benchmark of one network's forward pass."""

    params: Params
    stats: Stats


class Processor(Struct, frozen=True):
    """The processor of a machine."""

    brand_raw: str = "an unnamed processor"
    count: int = 0


class Machine(Struct, frozen=True):
    """The machine of a benchmark run."""

    cpu: Processor = Processor()
    system: str = ""
    python_version: str = ""


class Timing(Struct, frozen=True):
    """One run of the benchmarks, in the format of pytest-benchmark."""

    benchmarks: list[Benchmark]
    machine_info: Machine = Machine()
    datetime: str = ""


def read(results: Path) -> list[Timing]:
    """Return the newest stored run of each machine; raises RecordError for a damaged file."""
    folders = sorted(path for path in results.glob("timing/*") if path.is_dir())
    newest = [max(folder.glob("*.json"), default=None) for folder in folders]
    return [_read(path) for path in newest if path is not None]


def _read(path: Path) -> Timing:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Timing)
    except msgspec.DecodeError as error:
        message = f"{path}: {error}; restore it, or delete it and measure again"
        raise RecordError(message) from None


def plotted(timing: Timing) -> list[Benchmark]:
    """Return the benchmarks of the plotted size, the fastest first."""
    chosen = [benchmark for benchmark in timing.benchmarks if benchmark.params.size == PLOTTED]
    return sorted(chosen, key=lambda benchmark: benchmark.stats.median)


def medians(timing: Timing) -> dict[str, dict[str, float]]:
    """Return the medians in microseconds, by network and size."""
    found: dict[str, dict[str, float]] = {}
    for benchmark in timing.benchmarks:
        params = benchmark.params
        found.setdefault(params.name, {})[params.size] = benchmark.stats.median * 1e6
    return found


def by_topic(timing: Timing) -> dict[str, list[Benchmark]]:
    """Return the plotted benchmarks of each topic, the fastest first."""
    topics: dict[str, list[Benchmark]] = {}
    for benchmark in plotted(timing):
        topics.setdefault(benchmark.params.name.partition("/")[0], []).append(benchmark)
    return dict(sorted(topics.items()))


def plot(timing: Timing) -> Markup:
    """Plot a row per topic and a dot per network on a logarithmic scale."""
    topics = by_topic(timing)
    times = [benchmark.stats.median * 1e6 for benchmark in plotted(timing)]
    ticks = _ticks(times)
    low, high = ticks[0], ticks[-1]

    def x(microseconds: float) -> float:
        share = (math.log10(max(microseconds, low)) - math.log10(low)) / math.log10(high / low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    bottom = TOP + ROW * len(topics)
    parts = [_tick(x(value), value, bottom) for value in ticks]
    for row, (topic, benchmarks) in enumerate(topics.items()):
        y = TOP + ROW * (row + 0.5)
        parts.append(tag("text", topic, x=LEFT - 14, y=y + 4, class_="row"))
        parts.append(tag("path", d=f"M{LEFT} {y:g}H{WIDTH - RIGHT}", class_="rule"))
        for index, benchmark in enumerate(benchmarks):
            # Neighbors are shifted, so that networks of equal speed do not hide each other.
            shift = SPREAD * ((index % 3) - 1)
            parts.append(_dot(benchmark, x(benchmark.stats.median * 1e6), y + shift))
    title = f"Median time of a forward pass of {len(times)} networks, by topic"
    return tag(
        "svg",
        tag("title", title),
        *parts,
        viewBox=f"0 0 {WIDTH} {bottom + 8:g}",
        role="img",
        class_="plot",
    )


def _ticks(times: list[float]) -> list[float]:
    """Return 1, 2 and 5 times powers of ten that enclose all times."""
    known = [time for time in times if time > 0] or [1.0]
    powers = range(math.floor(math.log10(min(known))), math.ceil(math.log10(max(known))) + 1)
    steps = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    first = max(index for index, step in enumerate(steps) if step <= min(known))
    last = next(index for index, step in enumerate(steps) if step >= max(known) and index > first)
    return steps[first : last + 1]


def _tick(x: float, microseconds: float, bottom: float) -> Markup:
    line = tag("path", d=f"M{x:.1f} {TOP - 4}V{bottom:g}", class_="tick")
    return line + tag("text", duration(microseconds), x=x, y=TOP - 10, class_="scale")


def _dot(benchmark: Benchmark, x: float, y: float) -> Markup:
    stats, name = benchmark.stats, benchmark.params.name
    quarters = f"{duration(stats.q1 * 1e6)} to {duration(stats.q3 * 1e6)}"
    title = f"{name}: {duration(stats.median * 1e6)} ({quarters}, {stats.rounds} rounds)"
    return tag("circle", tag("title", title), cx=x, cy=y, r=DOT, class_="dot")


def duration(microseconds: float) -> str:
    """Return a time with its unit: `340 µs`, `1.2 ms`."""
    if microseconds < 1000:  # noqa: PLR2004  (a millisecond)
        return f"{microseconds:.0f} µs"
    return f"{microseconds / 1000:.2g} ms" if microseconds < 1e5 else f"{microseconds / 1e6:.2g} s"  # noqa: PLR2004  (a tenth of a second)
