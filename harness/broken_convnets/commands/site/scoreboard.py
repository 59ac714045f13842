"""The chart above the leaderboard, from the records of the tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.score.leaderboard import BASELINE, name_of, rank
from broken_convnets.commands.trace.table import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broken_convnets.commands.score.metrics.intervals import Rate
    from broken_convnets.commands.score.metrics.score import Score

RATES: dict[str, Callable[[Score], Rate]] = {
    "finds mistakes that raise": lambda score: score.recall.raising,
    "finds silent mistakes": lambda score: score.recall.silent,
    "false positives": lambda score: score.false_positives.all,
    "points at the cause": lambda score: score.location.cause,
    "repairs": lambda score: score.fixes.working,
}


@dataclass(frozen=True)
class Bars:
    """The percentages of one tool, in the order of RATES; None for a rate of no programs."""

    tool: str
    percentages: list[int | None]


def chart(scores: Iterable[Score]) -> list[Bars]:
    """Return the bars of each tool, in the order of the leaderboard."""
    return [
        Bars(_name(score), [_percent(rate(score)) for rate in RATES.values()])
        for score in sorted(scores, key=rank)
    ]


def split_head(text: str) -> tuple[str, str]:
    """Return what comes before the first heading of the second level, and the rest."""
    head, mark, rest = text.partition("\n## ")
    return head, f"{mark.lstrip()}{rest}"


def _name(score: Score) -> str:
    name = printable(name_of(score))
    return f"{name} (baseline)" if score.tool == BASELINE else name


def _percent(rate: Rate) -> int | None:
    return None if rate.share is None else round(100 * rate.share)
