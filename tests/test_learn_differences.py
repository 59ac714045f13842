"""Values of the data that a repair makes equal are a difference; a few by chance are none."""

from __future__ import annotations

import pytest
from broken_convnets.commands.learn.differences import differences
from broken_convnets.commands.learn.facts import LearnerFacts
from broken_convnets.corpus.entries import Case
from kit import our_corpus

CASE = next(one for one in our_corpus().entries.values() if isinstance(one, Case))


def _merged(distinct: int, lost: int) -> list[str]:
    """Return the laws that data violates in which some values are equal to the first one."""
    values = list(range(distinct))
    mine = [max(0, value - lost) for value in values]
    seen, reference = (LearnerFacts(equal_values={"inputs 0": one}) for one in (mine, values))
    return [one.law for one in differences(CASE, seen, reference)]


@pytest.mark.parametrize(
    ("distinct", "lost"), [(3, 1), (10, 1), (1000, 1), (4096, 20), (4096, 4095)]
)
def test_equal_values_are_a_difference(distinct: int, lost: int) -> None:
    assert _merged(distinct, lost) == ["distinct-values"]


@pytest.mark.parametrize(("distinct", "lost"), [(3, 0), (4096, 0), (4096, 1), (4096, 3)])
def test_a_few_random_numbers_may_be_equal(distinct: int, lost: int) -> None:
    assert _merged(distinct, lost) == []
