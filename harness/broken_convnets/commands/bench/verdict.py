"""Decide from the rounds of a comparison: faster, slower, same or undecided."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.bench.bootstrap import Interval

MARGIN = 0.01  # docs/timing.md has its measured rate of false alarms
CONFIDENCE = 0.95


class Speed(StrEnum):
    """How the new program compares with the old one."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Round:
    """The minimum time of each variant in one round, in nanoseconds a call.

    `old` and `control` are the same program loaded twice.
    """

    old: float
    new: float
    control: float

    @property
    def ratio(self) -> float:
        """The time of the new program over the geometric mean of the two old ones."""
        return float(self.new / (self.old * self.control) ** 0.5)

    @property
    def control_ratio(self) -> float:
        """The time of the old program over itself (A/A); 1 without noise."""
        return self.control / self.old


@dataclass(frozen=True)
class Comparison:
    """A verdict, with the intervals of the ratios new / old and old / old (A/A)."""

    speed: Speed
    ratio: Interval
    control: Interval
    reason: str = ""  # why it is undecided


def verdict_of(
    processes: Sequence[Sequence[Round]], margin: float = MARGIN, confidence: float = CONFIDENCE
) -> Comparison:
    """Return the verdict on the rounds of several processes.

    Slower: the whole interval lies above 1 + margin. Faster: it lies below 1 / (1 + margin).
    Same: it lies between. Undecided: it reaches over one of these bounds, or the old program
    itself appears faster or slower than its copy.
    """
    from broken_convnets.commands.bench.bootstrap import median_ratio  # noqa: PLC0415  (numpy is optional)

    ratio = median_ratio([[each.ratio for each in rounds] for rounds in processes], confidence)
    controls = [[each.control_ratio for each in rounds] for rounds in processes]
    control = median_ratio(controls, confidence)
    if speed_of(control, margin) in {Speed.FASTER, Speed.SLOWER}:
        reason = "the old program differs from its own copy: the machine is too noisy"
        return Comparison(Speed.UNDECIDED, ratio, control, reason)
    speed = speed_of(ratio, margin)
    wide = "the interval crosses the margin: try more processes or seconds"
    return Comparison(speed, ratio, control, wide if speed is Speed.UNDECIDED else "")


def speed_of(interval: Interval, margin: float) -> Speed:
    """Return the verdict on one interval by itself."""
    upper = 1 + margin
    if interval.low > upper:
        return Speed.SLOWER
    if interval.high < 1 / upper:
        return Speed.FASTER
    if 1 / upper <= interval.low and interval.high <= upper:
        return Speed.SAME
    return Speed.UNDECIDED
