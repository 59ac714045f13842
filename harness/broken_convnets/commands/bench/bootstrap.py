"""The interval in which a median ratio lies, from rounds of several processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

RESAMPLES = 2_000
SEED = 0  # the same rounds give the same interval


@dataclass(frozen=True)
class Interval:
    """A median ratio and the interval that holds it, with some confidence."""

    low: float
    median: float
    high: float

    @property
    def half_width(self) -> float:
        """How uncertain the ratio is."""
        return (self.high - self.low) / 2


def median_ratio(rounds: Sequence[Sequence[float]], confidence: float) -> Interval:
    """Return the median of all ratios, with its bootstrap interval.

    `rounds` holds for each process the ratio of each round. Processes are drawn first, then
    rounds within each: two networks in one process differ by where their memory happens to
    lie, so that the rounds of one process agree more with each other than with the truth.
    Raises ValueError where a process has no round.
    """
    if not rounds or not all(len(each) for each in rounds):
        message = "every process needs a round"
        raise ValueError(message)
    generator = np.random.default_rng(SEED)
    logs = [np.log(np.asarray(each, dtype=float)) for each in rounds]
    shortest = min(len(each) for each in logs)
    chosen = generator.integers(0, len(logs), size=(RESAMPLES, len(logs)))
    within = generator.random((RESAMPLES, len(logs), shortest))
    table = _padded(logs)
    counts = np.array([len(each) for each in logs])[chosen]
    picked = table[chosen[:, :, None], (within * counts[:, :, None]).astype(int)]
    medians = np.median(picked.reshape(RESAMPLES, -1), axis=1)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(medians, [tail, 100 - tail])
    middle = float(np.median(np.concatenate(logs)))
    return Interval(float(np.exp(low)), float(np.exp(middle)), float(np.exp(high)))


def _padded(rows: list[np.ndarray]) -> np.ndarray:
    table = np.full((len(rows), max(map(len, rows))), np.nan)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    return table
