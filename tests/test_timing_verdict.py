"""Verdicts: no false alarm, and a slowdown of 5 % is found."""

from __future__ import annotations

import random

import pytest
from broken_convnets.commands.bench.bootstrap import Interval, median_ratio
from broken_convnets.commands.bench.verdict import Round, Speed, speed_of, verdict_of

PROCESSES, ROUNDS = 5, 12
BASE = 200_000.0


def made(  # noqa: PLR0913  (each is one kind of noise)
    new: float = 1.0,
    *,
    noise: float = 0.01,
    bias: float = 0.005,
    drift: float = 0.0,
    control: float = 1.0,
    seed: int = 0,
) -> list[list[Round]]:
    """Return rounds in which the new program takes `new` times as long as the old one.

    Each sample varies by `noise`, each variant by a `bias` that is constant in a process, and the
    machine slows down by `drift` from round to round.
    """
    draw = random.Random(seed)  # noqa: S311  (noise, no secret)
    processes = []
    for _ in range(PROCESSES):
        own = [draw.gauss(0, bias) for _ in range(3)]
        processes.append(
            [
                Round(
                    *(
                        BASE
                        * (1 + drift) ** number
                        * ratio
                        * (1 + own[side] + draw.gauss(0, noise))
                        for side, ratio in enumerate((1.0, new, control))
                    )
                )
                for number in range(ROUNDS)
            ]
        )
    return processes


def test_identical_programs_are_the_same() -> None:
    assert verdict_of(made(noise=0, bias=0)).speed is Speed.SAME
    exact = verdict_of(made(noise=0, bias=0))
    assert (exact.ratio.low, exact.ratio.median, exact.ratio.high) == (1, 1, 1)


@pytest.mark.parametrize(
    ("new", "speed"),
    [
        (1.05, Speed.SLOWER),
        (1.5, Speed.SLOWER),
        (0.95, Speed.FASTER),
        (1.0, Speed.SAME),
    ],
)
def test_a_known_ratio_gets_its_verdict(new: float, speed: Speed) -> None:
    found = verdict_of(made(new))
    assert found.speed is speed
    assert found.ratio.low < new < found.ratio.high


def test_many_comparisons_have_no_false_alarm_and_find_5_percent() -> None:
    same = [verdict_of(made(seed=seed)).speed for seed in range(30)]
    slower = [verdict_of(made(1.05, seed=seed)).speed for seed in range(30)]
    assert Speed.SLOWER not in same
    assert Speed.FASTER not in same
    assert slower.count(Speed.SLOWER) >= 29


def test_a_machine_that_slows_down_changes_no_verdict() -> None:
    assert verdict_of(made(drift=0.05)).speed is Speed.SAME
    assert verdict_of(made(1.05, drift=0.05)).speed is Speed.SLOWER


def test_much_noise_is_undecided_with_advice() -> None:
    found = verdict_of(made(1.0, noise=0.2))
    assert found.speed is Speed.UNDECIDED
    assert "more processes" in found.reason


def test_a_program_that_differs_from_itself_is_undecided() -> None:
    found = verdict_of(made(1.5, control=1.2))
    assert found.speed is Speed.UNDECIDED
    assert "differs from its own copy" in found.reason


def test_processes_that_disagree_widen_the_interval() -> None:
    agreeing = median_ratio([[1.0, 1.02, 1.04]] * 5, 0.95)
    apart = median_ratio(
        [[r * b for r in (1.0, 1.02, 1.04)] for b in (0.9, 0.95, 1, 1.05, 1.1)], 0.95
    )
    assert apart.half_width > 2 * agreeing.half_width


def test_the_same_rounds_have_the_same_interval() -> None:
    assert verdict_of(made(1.02)) == verdict_of(made(1.02))


def test_a_higher_confidence_widens_the_interval() -> None:
    rounds = [[r.ratio for r in each] for each in made()]
    assert median_ratio(rounds, 0.99).half_width > median_ratio(rounds, 0.9).half_width


@pytest.mark.parametrize("rounds", [[], [[]], [[1.0], []]])
def test_a_process_without_rounds_is_rejected(rounds: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="every process needs a round"):
        median_ratio(rounds, 0.95)


@pytest.mark.parametrize(
    ("low", "high", "speed"),
    [
        (1.02, 1.03, Speed.SLOWER),
        (1.005, 1.03, Speed.UNDECIDED),
        (0.995, 1.005, Speed.SAME),
        (0.97, 0.98, Speed.FASTER),
        (0.97, 1.0, Speed.UNDECIDED),
        (0.9, 1.1, Speed.UNDECIDED),
    ],
)
def test_only_an_interval_beyond_the_margin_decides(low: float, high: float, speed: Speed) -> None:
    assert speed_of(Interval(low, 1.0, high), 0.01) is speed
