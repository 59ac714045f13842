"""Calls are timed in turn, in rounds that end in time."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("torch")

from broken_convnets.commands.bench.clock import Reading
from broken_convnets.commands.bench.rounds import (
    LEAST_ROUNDS,
    TURNS,
    WARM_UP_CALLS,
    time_in_turn,
    turn_order,
    warm_up,
)
from broken_convnets.commands.bench.verdict import Round, Speed, verdict_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

VARIANTS = ("old", "new", "control")


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  (a simulation, not a secret)


@dataclass
class SimulatedClock:
    """Each variant takes a known time, and the clock advances by it."""

    takes: dict[str, float] = field(default_factory=lambda: dict.fromkeys(VARIANTS, 200_000.0))
    slowdown: float = 0.0  # of the whole machine, with each call
    disturbed: float = 0.0  # the share of samples that take ten times as long
    seconds: float = 0.0
    samples: list[list[str]] = field(default_factory=list)
    mode: str = "simulated"

    def __post_init__(self) -> None:
        self._random = seeded(0)
        self._called = ""

    def now(self) -> float:
        return self.seconds

    def calls(self) -> dict[str, Callable[[], object]]:
        return {name: partial(setattr, self, "_called", name) for name in self.takes}

    def read(self, calls: Sequence[Callable[[], object]], repeat: int = 1) -> Reading:
        ns, names = [], []
        for call in calls:
            call()
            names.append(self._called)
            ns.append(self._sample(self._called, repeat))
        self.samples.append(names)
        return Reading(ns, ns)

    def _sample(self, name: str, repeat: int) -> float:
        self.takes = {key: value * (1 + self.slowdown) for key, value in self.takes.items()}
        ns = self.takes[name] * (10 if self._random.random() < self.disturbed else 1)
        self.seconds += repeat * ns / 1e9
        return ns


def timed(clock: SimulatedClock, seconds: float = 0.5) -> list[list[Round]]:
    """Return the rounds of two processes on the simulated machine."""
    processes = []
    for seed in range(2):
        end = clock.now() + seconds
        found = time_in_turn(clock, clock.calls(), end, seeded(seed), clock.now)
        processes.append([Round(**least) for least in found])
    return processes


def test_a_known_ratio_is_measured() -> None:
    clock = SimulatedClock({"old": 200_000, "new": 210_000, "control": 200_000})
    found = verdict_of(timed(clock))
    assert found.speed is Speed.SLOWER
    assert found.ratio.median == pytest.approx(1.05)
    assert found.control.median == 1


def test_a_machine_that_slows_down_and_is_disturbed_changes_no_verdict() -> None:
    assert verdict_of(timed(SimulatedClock(slowdown=1e-4, disturbed=0.3))).speed is Speed.SAME


def test_every_turn_goes_forth_and_back_in_an_order_of_its_own() -> None:
    order = turn_order(list(VARIANTS), TURNS, seeded(0))
    assert Counter(order) == dict.fromkeys(VARIANTS, 2 * TURNS)
    turns = [order[6 * turn : 6 * turn + 6] for turn in range(TURNS)]
    assert all(turn == turn[::-1] for turn in turns)
    assert len(set(map(tuple, turns))) > 1


def test_a_round_that_would_end_too_late_does_not_start() -> None:
    clock = SimulatedClock(dict.fromkeys(VARIANTS, 1e6))
    found = time_in_turn(clock, clock.calls(), 2.8, seeded(0), clock.now)
    assert len(found) > LEAST_ROUNDS
    assert 2.6 < clock.seconds <= 2.8


def test_a_slow_program_has_the_minimum_number_of_rounds_of_one_turn() -> None:
    clock = SimulatedClock(dict.fromkeys(VARIANTS, 1e9))
    found = time_in_turn(clock, clock.calls(), 0.01, seeded(0), clock.now)
    assert len(found) == LEAST_ROUNDS
    assert [len(names) for names in clock.samples[-LEAST_ROUNDS:]] == [6] * LEAST_ROUNDS


def test_warming_up_takes_a_while_and_returns_the_shortest_call() -> None:
    quick = SimulatedClock({"old": 1e6}, disturbed=0.5)
    assert warm_up(quick, quick.calls()["old"], quick.now) == 1e6
    assert quick.seconds >= 0.02
    slow = SimulatedClock({"old": 1e9})
    assert warm_up(slow, slow.calls()["old"], slow.now) == 1e9
    assert len(slow.samples) == WARM_UP_CALLS
