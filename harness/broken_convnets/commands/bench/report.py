"""The results of one run of `bench`: as a table with a summary, and as JSON."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from broken_convnets.commands.bench.verdict import CONFIDENCE, Comparison, Speed
from broken_convnets.util.terminal import microseconds

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

COLUMNS = ("case", "verdict", "new / old", "95 % interval", "old / old (A/A)", "note")
STYLES = {Speed.SLOWER: "bold red", Speed.FASTER: "green"}


@dataclass(frozen=True)
class EntryTiming:
    """The result for one entry: a comparison, a time to failure, or the reason for neither."""

    id: str
    comparison: Comparison | None = None
    failure_ns: float | None = None
    reason: str = ""


@dataclass
class BenchReport:
    """The results so far, and the fingerprints of the old and the new interpreter."""

    old: dict[str, str] = field(default_factory=dict)
    new: dict[str, str] = field(default_factory=dict)
    entries: list[EntryTiming] = field(default_factory=list)
    total: int = 0  # entries to time
    exit_code: int = 0  # of an interruption

    @property
    def noise(self) -> float | None:
        """The median half-width of the intervals of a program compared with itself (A/A)."""
        widths = [each.comparison.control.half_width for each in self.entries if each.comparison]
        return statistics.median(widths) if widths else None

    @property
    def speeds(self) -> list[Speed]:
        """The verdict of each comparison."""
        return [each.comparison.speed for each in self.entries if each.comparison]


def comparison_table(entries: list[EntryTiming]) -> Table:
    """Return one row per entry: the comparison, or a note."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in COLUMNS:
        table.add_column(name, no_wrap=name != "note")
    for entry in entries:
        found = entry.comparison
        if found is None:
            table.add_row(entry.id, *[""] * 4, Text(_note(entry)))
            continue
        table.add_row(
            entry.id,
            Text(found.speed, style=STYLES.get(found.speed, "")),
            f"{found.ratio.median:.3f}",
            f"{found.ratio.low:.3f} to {found.ratio.high:.3f}",
            f"{found.control.low:.3f} to {found.control.high:.3f}",
            Text(found.reason),
        )
    return table


def _note(entry: EntryTiming) -> str:
    if entry.failure_ns is None:
        return entry.reason
    return f"fails after {microseconds(entry.failure_ns)}"


def summary(report: BenchReport, margin: float) -> Iterator[str]:
    """Yield the lines below the table."""
    if not report.entries:
        yield "no program has changed: nothing to time (pass ids to time them anyway)"
    if report.speeds:
        counts = ", ".join(f"{report.speeds.count(speed)} {speed}" for speed in Speed)
        yield f"{counts}, at a margin of {margin:.1%} and {CONFIDENCE:.0%} confidence"
    if report.noise is not None:
        yield f"A/A noise on this machine: ±{report.noise:.1%}"


def document(report: BenchReport, options: argparse.Namespace) -> dict[str, Any]:
    """Return the JSON document of `bench --json`."""
    return {
        "old": {
            "python": options.against_python,
            "revision": options.against,
            "fingerprint": report.old,
        },
        "new": {"fingerprint": report.new},
        "device": options.device,
        "size": options.size,
        "margin": options.margin,
        "confidence": CONFIDENCE,
        "processes": options.processes,
        "noise": report.noise,
        "interrupted": bool(report.exit_code),
        "entries": report.entries,
    }
