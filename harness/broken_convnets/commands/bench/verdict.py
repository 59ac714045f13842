"""What the rounds of a comparison say: faster, slower, same or undecided; a pure function."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from broken_convnets.commands.bench.bootstrap import Interval, median_ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

MARGIN = 0.01  # chosen by tests/measure_timing.py; see docs/timing.md
CONFIDENCE = 0.95


class Speed(StrEnum):
    """How the new side compares with the old one."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Round:
    """The least time of each side in one round, in nanoseconds a call.

    `old` and `again` are the same program loaded twice.
    """

    old: float
    new: float
    again: float

    @property
    def ratio(self) -> float:
        """How many times the old side's time the new one takes."""
        return float(self.new / (self.old * self.again) ** 0.5)

    @property
    def self_ratio(self) -> float:
        """What the same program gives against itself; 1, were there no noise."""
        return self.again / self.old


@dataclass(frozen=True)
class Comparison:
    """A verdict, the interval of the ratio new / old, and that of old / old."""

    speed: Speed
    ratio: Interval
    self_check: Interval
    reason: str = ""  # why it is undecided


def judge(
    processes: Sequence[Sequence[Round]], margin: float = MARGIN, confidence: float = CONFIDENCE
) -> Comparison:
    """Return the verdict on rounds of several processes.

    It is slower where all of the interval lies above 1 + margin, faster where all of it lies
    below 1 / (1 + margin), and the same where all of it lies between. Where the machine cannot
    tell a program from itself, it is undecided.
    """
    ratio = median_ratio([[each.ratio for each in rounds] for rounds in processes], confidence)
    selfs = [[each.self_ratio for each in rounds] for rounds in processes]
    check = median_ratio(selfs, confidence)
    if speed_of(check, margin) in {Speed.FASTER, Speed.SLOWER}:
        reason = "the program differs from itself: the machine is too noisy"
        return Comparison(Speed.UNDECIDED, ratio, check, reason)
    speed = speed_of(ratio, margin)
    wide = "the interval reaches over the margin: more processes or seconds may decide"
    return Comparison(speed, ratio, check, wide if speed is Speed.UNDECIDED else "")


def speed_of(interval: Interval, margin: float) -> Speed:
    """Return what an interval says by itself."""
    upper = 1 + margin
    if interval.low > upper:
        return Speed.SLOWER
    if interval.high < 1 / upper:
        return Speed.FASTER
    if 1 / upper <= interval.low and interval.high <= upper:
        return Speed.SAME
    return Speed.UNDECIDED
