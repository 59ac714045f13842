"""What counts as kept of a case, on values: next to the case, where the fix is elsewhere."""

from __future__ import annotations

import pytest
import torch
from broken_convnets.commands.learn.pair.behavior import Behavior
from broken_convnets.commands.learn.pair.kept import Measure, kept, kept_values

FIXED = torch.tensor([1.0, 2.0, 4.0])
BROKEN = torch.tensor([3.0, 2.0, 1.0])
NAN = torch.tensor([1.0, float("nan"), 0.0])


def _behavior(**values: torch.Tensor | list[float]) -> Behavior:
    def named(name: str) -> dict[str, torch.Tensor]:
        return {"w": value} if isinstance(value := values.get(name), torch.Tensor) else {}

    rates = values.get("rates")
    return Behavior(
        outputs=named("outputs"),
        result=named("result"),
        gradients=named("gradients"),
        state=named("state"),
        update=named("update"),
        rates=rates if isinstance(rates, list) else [],
    )


def _kept(seen: torch.Tensor, fixed: torch.Tensor, broken: torch.Tensor) -> bool:
    return bool(kept_values(Measure(), {"w": seen}, {"w": fixed}, {"w": broken}))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (BROKEN, True),
        (0.9 * BROKEN + 0.1 * FIXED, True),
        (FIXED, False),
        ((FIXED + BROKEN) / 2, False),
    ],
)
def test_a_value_next_to_that_of_the_case_is_kept(seen: torch.Tensor, *, expected: bool) -> None:
    assert _kept(seen, FIXED, BROKEN) is expected


def test_nothing_is_kept_where_the_fix_does_what_the_case_does() -> None:
    assert not _kept(BROKEN, BROKEN + 1e-6, BROKEN)


def test_numbers_that_are_not_finite_are_kept_as_such() -> None:
    assert _kept(NAN, FIXED, NAN)
    assert not _kept(FIXED * 2, FIXED, NAN)
    assert not _kept(NAN, NAN, BROKEN)


def test_values_of_another_shape_or_name_are_not_compared() -> None:
    assert not _kept(BROKEN[:2], FIXED, BROKEN)
    assert not kept_values(Measure(), {"v": BROKEN}, {"w": FIXED}, {"w": BROKEN})


def test_gradients_times_a_number_are_kept() -> None:
    sides = (_behavior(gradients=one) for one in (BROKEN / 7, FIXED, BROKEN))
    assert [*kept(*sides)] == ["the gradients are those of the case times a number"]


def test_gradients_after_a_step_show_nothing() -> None:
    sides = (_behavior(gradients=one, rates=[0.1]) for one in (BROKEN, FIXED, BROKEN))
    assert not [*kept(*sides)]


def test_a_right_fix_may_scale_its_gradients() -> None:
    sides = (_behavior(gradients=one) for one in (BROKEN / 7, BROKEN / 4, BROKEN))
    assert not [*kept(*sides)]


@pytest.mark.parametrize(
    ("rates", "expected"),
    [([0.1, 0.01], True), ([0.1, 0.012], True), ([0.1, 0.1], False), ([0.1, 0.05], False)],
)
def test_the_rate_of_one_step_can_be_kept(rates: list[float], *, expected: bool) -> None:
    sides = (_behavior(rates=one) for one in (rates, [0.1, 0.1], [0.1, 0.01]))
    assert bool([*kept(*sides)]) is expected


def test_an_update_of_next_to_nothing_is_no_update() -> None:
    for factor, expected in ((1e-5, True), (1e-2, False)):
        sides = (_behavior(update=one) for one in (FIXED * factor, FIXED, NAN))
        assert bool([*kept(*sides)]) is expected
