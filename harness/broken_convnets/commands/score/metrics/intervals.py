"""Rates with 95% confidence intervals, for small samples.

The corpus is treated as a random sample from a larger population of similar programs.
"""

from __future__ import annotations

import math
from itertools import chain
from statistics import NormalDist
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CONFIDENCE = 0.95
NO_RATE = "no rate"  # shown for a rate of no programs
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)  # standard deviations on either side


class Rate(Struct, frozen=True):
    """`count` of `of`, and the interval of the share; `count` may include halves.

    If `of` is 0, there is no share, and the interval is from 0 to 1.
    """

    count: float
    of: int
    low: float
    high: float

    @property
    def share(self) -> float | None:
        """The share, from 0 to 1; None if `of` is 0."""
        return self.count / self.of if self.of else None

    def __str__(self) -> str:
        """Return the count, the share and the interval, in percent."""
        if self.share is None:
            return NO_RATE
        return (
            f"{self.count:g} of {self.of}, {self.share:.0%} "
            f"({100 * self.low:.0f} to {100 * self.high:.0f})"
        )


class RateDifference(Struct, frozen=True):
    """One share minus another, from -1 to 1; `value` is None if one of them has no share."""

    value: float | None
    low: float
    high: float

    def __str__(self) -> str:
        """Return the value and the interval."""
        if self.value is None:
            return NO_RATE
        # Adding 0.0 turns -0.0 into 0.0.
        value, low, high = (round(one, 2) + 0.0 for one in (self.value, self.low, self.high))
        return f"{value:+.2f} ({low:+.2f} to {high:+.2f})"


def wilson(share: float, size: float) -> tuple[float, float]:
    """Return the interval of a share in a sample of `size`, which need not be an integer.

    The score interval of E. B. Wilson, Probable inference, the law of succession, and
    statistical inference, J. Am. Stat. Assoc. 22 (1927) 209-212, without continuity
    correction. At 0 of 20 the interval ends at 0.16, whereas the textbook's p ± 1.96 s has no
    width. For a mean of half points it is conservative: among values from 0 to 1 with a given
    mean, zeros and ones have the largest variance.
    """
    if not size:
        return 0.0, 1.0
    square = Z * Z / size
    middle = (share + square / 2) / (1 + square)
    half = math.sqrt(square * share * (1 - share) + square * square / 4) / (1 + square)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return (low if share > 0 else 0.0), (high if share < 1 else 1.0)


def rate(points: Iterable[float]) -> Rate:
    """Return the rate of hits among independent programs.

    A point is 1 or True for a hit, 0 or False for a miss, or a value between them.
    """
    return _rate(list(points), None)


def clustered(groups: Iterable[Sequence[float]]) -> Rate:
    """Return the rate of hits where the programs within a group are similar.

    Ten variants of one program carry little more information than one. The interval therefore
    uses the effective sample size: the size divided by the design effect (L. Kish, Survey
    sampling, 1965), inserted into Wilson's interval as in E. Korn and B. Graubard, Survey
    Methodology 24 (1998) 193-201. If all programs hit or all miss, the design effect cannot be
    estimated, and each group counts as one program.
    """
    kept = [group for group in groups if group]
    points = list(chain.from_iterable(kept))
    return _rate(points, _effective_size(kept, points) if points else None)


def _rate(points: list[float], size: float | None) -> Rate:
    count, of = sum(points), len(points)
    low, high = wilson(count / of if of else 0.0, of if size is None else size)
    return Rate(count, of, low, high)


def _effective_size(groups: Sequence[Sequence[float]], points: Sequence[float]) -> float:
    of, several = len(points), len(groups)
    share = sum(points) / of
    if several == 1 or not 0 < share < 1:
        return several
    spread = sum((sum(group) - share * len(group)) ** 2 for group in groups)
    variance = spread * several / (several - 1) / of**2
    least = share * (1 - share) / of  # the variance if all were independent
    return max(1.0, of * least / max(variance, least))


def difference(first: Rate, second: Rate, correlation: float = 0.0) -> RateDifference:
    """Return one rate minus another; `correlation` is between the two estimates.

    The interval combines the limits of both shares and their correlation as in G. Y. Zou and
    A. Donner, Construction of confidence limits about effect measures, Statistics in
    Medicine 27 (2008) 1693-1702. Without correlation that is method 10 of R. G. Newcombe,
    Interval estimation for the difference between independent proportions, Statistics in
    Medicine 17 (1998) 873-890.
    """
    if first.share is None or second.share is None:
        return RateDifference(None, -1.0, 1.0)
    value = first.share - second.share
    below = _distance(first.share - first.low, second.high - second.share, correlation)
    above = _distance(first.high - first.share, second.share - second.low, correlation)
    return RateDifference(value, max(-1.0, value - below), min(1.0, value + above))


def _distance(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(0.0, one * one + other * other - 2 * correlation * one * other))


def phi(pairs: Sequence[tuple[bool, bool]]) -> float:
    """Return the correlation of the two answers of a pair, from -1 to 1; 0 if undefined.

    Uses the continuity correction of R. G. Newcombe, Improved confidence intervals for the
    difference between binomial proportions based on paired data, Statistics in Medicine 17
    (1998) 2635-2650. It reduces a positive correlation, because that narrows the interval.
    """
    of = len(pairs)
    both = sum(one and other for one, other in pairs)
    first, second = sum(one for one, _ in pairs), sum(other for _, other in pairs)
    product = first * (of - first) * second * (of - second)
    if not product:
        return 0.0
    excess = both * of - first * second
    return (max(0.0, excess - of / 2) if excess > 0 else excess) / math.sqrt(product)
