"""What one comparison of times found of each entry, and its table for the terminal."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from broken_convnets.commands.bench.verdict import Comparison, Speed
from broken_convnets.util.terminal import microseconds

if TYPE_CHECKING:
    from broken_convnets.commands.bench.compare import Bench


@dataclass(frozen=True)
class Row:
    """What was found of one entry: a comparison, a time to failure, or why there is neither."""

    id: str
    comparison: Comparison | None = None
    failure_ns: float | None = None
    reason: str = ""


@dataclass
class Findings:
    """What one command found, as far as it came."""

    bench: Bench
    rows: list[Row] = field(default_factory=list)
    wanted: int = 0
    exit_code: int = 0  # of an interruption

    @property
    def noise(self) -> float | None:
        """The typical half-width of the interval of a program against itself."""
        widths = [row.comparison.self_check.half_width for row in self.rows if row.comparison]
        return statistics.median(widths) if widths else None

    @property
    def slower(self) -> bool:
        """Whether any entry is slower."""
        return any(row.comparison and row.comparison.speed is Speed.SLOWER for row in self.rows)


def comparison_table(rows: list[Row]) -> Table:
    """Return a row per entry: how the sides compare, or why nothing can be said."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("case", "verdict", "new / old", "interval", "old / old", "note"):
        table.add_column(name, no_wrap=name != "note")
    for row in rows:
        found = row.comparison
        if found is None:
            failure = "" if row.failure_ns is None else microseconds(row.failure_ns)
            note = f"fails within {failure}" if failure else row.reason
            table.add_row(row.id, *[""] * 4, Text(note))
            continue
        style = {"slower": "bold red", "faster": "green"}.get(found.speed, "")
        table.add_row(
            row.id,
            Text(found.speed, style=style),
            f"{found.ratio.median:.3f}",
            f"{found.ratio.low:.3f} to {found.ratio.high:.3f}",
            f"{found.self_check.low:.3f} to {found.self_check.high:.3f}",
            Text(found.reason),
        )
    return table
