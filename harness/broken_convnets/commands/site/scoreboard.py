"""The chart above the leaderboard, from the figures of its tables."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)
PERCENT = re.compile(r"(\d+)%")
COLUMNS = {  # of the leaderboard: what the chart calls them
    "raising": "finds mistakes that raise",
    "silent": "finds silent mistakes",
    "false positives": "false alarms",
    "cause line": "points at the cause",
    "working fixes": "repairs",
}


@dataclass(frozen=True)
class Bars:
    """The percentages of one tool, in the order of COLUMNS; None for a figure that has no rate."""

    tool: str
    percentages: list[int | None]


def chart(text: str) -> list[Bars]:
    """Return the bars of each tool, in the order of the leaderboard; [] without its tables."""
    found: dict[str, dict[str, int | None]] = {}
    header: list[str] = []
    for row in ROW.findall(text):
        cells = row.split(" | ")
        if cells[0] == "tool":
            header = cells
        elif len(cells) == len(header) and not set(row) <= set("-| "):
            tool = html.unescape(cells[0].replace("*", ""))
            shown = dict(zip(header, cells, strict=True))
            figures = {name: _percent(shown[name]) for name in COLUMNS if name in shown}
            found.setdefault(tool, {}).update(figures)
    return [Bars(tool, [figures.get(name) for name in COLUMNS]) for tool, figures in found.items()]


def split_head(text: str) -> tuple[str, str]:
    """Return what comes before the first heading of the second level, and the rest."""
    head, mark, rest = text.partition("\n## ")
    return head, f"{mark.lstrip()}{rest}"


def _percent(cell: str) -> int | None:
    found = PERCENT.search(cell)
    return int(found[1]) if found else None
