"""The confidence interval of a median ratio, from rounds of several processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

RESAMPLES = 2_000
SEED = 0  # the same rounds result in the same interval


@dataclass(frozen=True)
class Interval:
    """A median ratio and its confidence interval."""

    low: float
    median: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the difference between the two ends."""
        return (self.high - self.low) / 2


def median_ratio(rounds: Sequence[Sequence[float]], confidence: float) -> Interval:
    """Return the median of all ratios, with its bootstrap interval.

    `rounds` contains for each process the ratio of each round. The bootstrap resamples processes
    first, then rounds within each: where a network lies in memory changes its speed, so the rounds
    of one process agree more with each other than with those of another process.
    Raises ValueError if a process has no round.
    """
    if not rounds or not all(len(each) for each in rounds):
        message = "every process needs a round"
        raise ValueError(message)
    logs = [np.log(np.asarray(each, dtype=float)) for each in rounds]
    tail = 50 * (1 - confidence)
    low, high = np.percentile(_resampled_medians(logs), [tail, 100 - tail])
    middle = float(np.median(np.concatenate(logs)))
    return Interval(float(np.exp(low)), float(np.exp(middle)), float(np.exp(high)))


def _resampled_medians(logs: list[np.ndarray]) -> np.ndarray:
    """Return RESAMPLES medians, each of as many processes, with as many rounds as the fewest."""
    generator = np.random.default_rng(SEED)
    shortest = min(len(each) for each in logs)
    chosen = generator.integers(0, len(logs), size=(RESAMPLES, len(logs)))
    within = generator.random((RESAMPLES, len(logs), shortest))
    counts = np.array([len(each) for each in logs])[chosen]
    picked = _padded(logs)[chosen[:, :, None], (within * counts[:, :, None]).astype(int)]
    return np.median(picked.reshape(RESAMPLES, -1), axis=1)


def _padded(rows: list[np.ndarray]) -> np.ndarray:
    """Return the rows as one array of shape (rows, longest row), padded with NaN."""
    table = np.full((len(rows), max(map(len, rows))), np.nan)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    return table
