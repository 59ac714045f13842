"""The intervals agree with published tables and have the stated coverage in simulations."""

from __future__ import annotations

import random

import pytest
from broken_convnets.commands.score.metrics.intervals import (
    Rate,
    clustered,
    difference,
    phi,
    rate,
    wilson,
)


def _rate(count: int, of: int) -> Rate:
    return rate([1] * count + [0] * (of - count))


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1),
        (0, 0, 0, 1),
    ],
)
def test_wilson_agrees_with_newcombe_1998_table_1(
    count: int, of: int, low: float, high: float
) -> None:
    found = _rate(count, of)
    assert (found.count, found.of) == (count, of)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1),
        ((10, 10), (0, 10), 0.6075, 1),
    ],
)
def test_differences_agree_with_newcombe_1998_method_10(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    found = difference(_rate(*first), _rate(*second))
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)
    assert found.value == pytest.approx(first[0] / first[1] - second[0] / second[1])


def test_a_rate_of_no_programs_has_no_share() -> None:
    assert rate([]).share is None
    assert clustered([]) == rate([]) == clustered([[]])
    assert difference(rate([]), _rate(3, 3)).value is None


def test_half_points_count_as_half() -> None:
    found = rate([1, 0.5, 0, 0.5])
    assert (found.count, found.share) == (2, 0.5)
    assert (found.low, found.high) == wilson(0.5, 4)


@pytest.mark.parametrize("chance", [0.02, 0.1, 0.5, 0.95])
def test_95_percent_of_the_intervals_contain_the_true_share(chance: float) -> None:
    draw = random.Random(1)  # noqa: S311  (repeatable)
    found = [rate(draw.random() < chance for _ in range(60)) for _ in range(1_000)]
    assert 0.91 <= sum(one.low <= chance <= one.high for one in found) / len(found) <= 0.99


def _pair(draw: random.Random, agree: float) -> tuple[bool, bool]:
    first = draw.random() < 0.5
    return first, first if draw.random() < agree else not first


@pytest.mark.parametrize("agree", [0, 0.5, 0.9])
def test_the_interval_accounts_for_correlated_pairs(agree: float) -> None:
    draw = random.Random(2)  # noqa: S311  (repeatable)
    covered = covered_without = 0
    for _ in range(1_000):
        pairs = [_pair(draw, agree) for _ in range(50)]
        first, second = (rate(pair[side] for pair in pairs) for side in (0, 1))
        covered += _holds_zero(first, second, phi(pairs))
        covered_without += _holds_zero(first, second, 0)
    assert 0.93 <= covered / 1_000 <= 0.99
    if agree == 0:
        assert covered_without / 1_000 < 0.88


def _holds_zero(first: Rate, second: Rate, correlation: float) -> bool:
    found = difference(first, second, correlation)
    return found.low <= 0 <= found.high


def test_phi_is_a_correlation() -> None:
    yes, no = (True, True), (False, False)
    assert phi([yes, no] * 100) == pytest.approx(0.99)
    assert phi([(True, False), (False, True)] * 100) == -1
    assert phi([(True, True), (True, False), (False, True), (False, False)] * 9) == 0
    assert phi([yes] * 5) == phi([]) == 0
    assert phi([yes, no]) < 0.5  # two pairs are little evidence


@pytest.mark.parametrize("alike", [0.0, 0.7, 1.0])
def test_similar_programs_of_a_group_widen_the_interval(alike: float) -> None:
    draw = random.Random(3)  # noqa: S311  (repeatable)
    covered = covered_without = 0
    for _ in range(1_000):
        groups = [_group(draw, alike) for _ in range(40)]
        found, plain = clustered(groups), rate(point for group in groups for point in group)
        assert (found.count, found.of) == (plain.count, plain.of)
        assert found.low <= plain.low + 1e-12
        assert found.high >= plain.high - 1e-12
        covered += found.low <= 0.3 <= found.high
        covered_without += plain.low <= 0.3 <= plain.high
    assert 0.92 <= covered / 1_000 <= 0.99
    if alike == 1:
        assert covered_without / 1_000 < 0.65


def _group(draw: random.Random, alike: float) -> list[bool]:
    first = draw.random() < 0.3
    return [first if draw.random() < alike else draw.random() < 0.3 for _ in range(9)]


def test_a_group_of_hits_counts_as_one_program() -> None:
    assert clustered([[1] * 9] * 20).low == rate([1] * 20).low
    assert clustered([[1] * 9]).low == rate([1]).low
