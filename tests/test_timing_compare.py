"""Sides are timed in turn, in every process; what fails is told and the rest goes on."""

from __future__ import annotations

import random
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import pytest
from broken_convnets.commands.bench import worker_group
from broken_convnets.commands.bench.compare import (
    AGAIN,
    LEAST_ROUNDS,
    NEW,
    OLD,
    SIDES,
    TURNS,
    Effort,
    Team,
    open_bench,
    order,
    rounds,
)
from broken_convnets.commands.bench.protocol import Call, Target
from broken_convnets.commands.bench.verdict import Speed, judge
from broken_convnets.commands.bench.worker_group import CannotTime, Worker
from broken_convnets.errors import RunnerError
from kit import BROKEN, HEALTHY, Machine, doing, importing, patched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAME = dict.fromkeys(SIDES, Target(HEALTHY))
ERRANDS = Effort(processes=2, seconds=0.5)


def _rounds(machine: Machine, seconds: float = 0.5) -> Any:
    teams = [Team(dict.fromkeys(SIDES, cast("Worker", machine)))] * 2
    return rounds(teams, SAME, Effort(2, seconds), clock=lambda: machine.now)


def test_a_known_ratio_comes_back() -> None:
    found = judge(_rounds(Machine({OLD: 200_000, NEW: 210_000, AGAIN: 200_000})))
    assert found.speed is Speed.SLOWER
    assert found.ratio.median == pytest.approx(1.05)
    assert found.self_check.median == 1


def test_a_machine_that_slows_down_or_is_disturbed_tells_the_same() -> None:
    sick = Machine(slowing=1e-4, disturbed=0.3)
    assert judge(_rounds(sick)).speed is Speed.SAME


def test_in_a_round_every_side_is_timed_equally_often_and_forth_as_back() -> None:
    generator = random.Random(0)  # noqa: S311  (no secret)
    (names,) = order(TURNS, generator, together=True)
    assert Counter(names) == dict.fromkeys(SIDES, 2 * TURNS)
    for turn in range(TURNS):
        six = names[6 * turn : 6 * turn + 6]
        assert six == six[::-1]
    assert len({tuple(names[6 * turn : 6 * turn + 3]) for turn in range(TURNS)}) > 1


def test_apart_each_request_is_for_one_side() -> None:
    blocks = order(4, random.Random(0), together=False)  # noqa: S311  (no secret)
    assert [len(set(block)) for block in blocks] == [1] * 6
    assert Counter(name for block in blocks for name in block) == dict.fromkeys(SIDES, 8)
    assert blocks == blocks[::-1]


def test_a_round_that_would_end_too_late_is_not_begun() -> None:
    machine = Machine(dict.fromkeys(SIDES, 1e6))
    taken = _rounds(machine, seconds=2.8)
    assert min(map(len, taken)) > LEAST_ROUNDS
    assert 2.6 < machine.now <= 2.8


def test_a_slow_program_gets_its_least_number_of_rounds() -> None:
    machine = Machine(dict.fromkeys(SIDES, 1e9))
    found = _rounds(machine, seconds=0.01)
    assert [len(each) for each in found] == [LEAST_ROUNDS] * 2
    assert all(len(names) == 2 * len(SIDES) for names in machine.asked), "no turn more than needed"


def test_every_team_is_closed_whatever_happens() -> None:
    good, bad = Machine(), Machine(fails=True)
    teams = [Team(dict.fromkeys(SIDES, cast("Worker", each))) for each in (good, bad)]
    with pytest.raises(CannotTime, match="no"):
        rounds(teams, SAME, ERRANDS)
    assert (good.closed, bad.closed) == (1, 1)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(sys.executable, "cpu") as started:
        started.wait()
        yield started


def _time(worker: Worker, target: Target) -> float:
    try:
        worker.open({OLD: target})
        return min(worker.time([OLD] * 5, 1))
    finally:
        worker.close_programs()


def test_a_worker_says_under_what_it_times(worker: Worker) -> None:
    found = worker.wait()
    assert found["threads"] == "1"
    assert found["python"].startswith("3.")
    assert {"torch", "processor", "vector code", "malloc", "denormals"} <= set(found)


def test_a_worker_times_what_it_is_given(worker: Worker) -> None:
    quick = _time(worker, Target(HEALTHY))
    slow = _time(worker, Target(doing("time.sleep(0.02)", needs="time")))
    assert 1_000 < quick < slow
    assert slow > 20_000_000


@pytest.mark.parametrize("size", ["small", "batch"])
def test_a_worker_scales_the_inputs(size: str, worker: Worker) -> None:
    shape = f"(4 if '{size}' == 'small' else 32)"
    assert _time(worker, Target(doing(f"assert len(x) == {shape}"), size=size)) > 0


def test_time_to_failure_ends_with_the_exception(worker: Worker) -> None:
    assert _time(worker, Target(BROKEN, Call.FAILURE)) > 1_000
    assert _time(worker, Target(importing("nowhere_at_all"), Call.FAILURE)) > 1_000
    with pytest.raises(CannotTime, match="LookupError: it raises nothing"):
        _time(worker, Target(HEALTHY, Call.FAILURE))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (BROKEN, "RuntimeError: mat1 and mat2"),
        ("raise KeyError('x' * 9000)", "KeyError: 'xxxxx"),
        (patched(("(self, x):\n", "(self, x):\n        import os; os._exit(0)\n")), "ended"),
        (importing("os", "os._exit(3)"), "the program ended its process"),
    ],
)
def test_a_program_that_fails_is_told_and_the_next_one_is_timed(
    source: str, reason: str, worker: Worker
) -> None:
    with pytest.raises(CannotTime) as told:
        _time(worker, Target(source))
    assert reason in str(told.value)
    assert len(str(told.value)) <= 200
    assert _time(worker, Target(HEALTHY)) > 0


def test_what_a_program_prints_does_not_mix_with_the_answers(worker: Worker) -> None:
    assert _time(worker, Target(doing("print('[1.0]')"))) > 0


def test_a_program_that_hangs_is_killed_and_the_worker_starts_anew(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_group, "ANSWER_SECONDS", 3.0)
    with pytest.raises(CannotTime, match="no answer in 3 s"):
        _time(worker, Target(importing("time", "time.sleep(86_400)")))
    monkeypatch.undo()
    assert _time(worker, Target(HEALTHY)) > 0


def test_an_interpreter_that_is_not_there_or_has_no_torch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="nowhere cannot be started"):
        Worker(str(tmp_path / "nowhere"), "cpu")
    (tmp_path / "site").mkdir()
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys._base_executable} -I "$@"\n')  # type: ignore[attr-defined]  # noqa: SLF001
    bare.chmod(0o755)
    with Worker(str(bare), "cpu") as started, pytest.raises(RunnerError, match="cannot time"):
        started.wait()


def test_a_device_that_is_not_there_is_refused_with_the_reason() -> None:
    with Worker(sys.executable, "tpu") as started, pytest.raises(RunnerError, match="tpu is unav"):
        started.wait()


def test_a_real_bench_tells_a_program_from_a_slower_one() -> None:
    spin = "end = time.perf_counter() + 0.002\n        while time.perf_counter() < end: pass"
    slow = Target(doing(spin, needs="time"))
    with open_bench(sys.executable, sys.executable, "cpu", processes=2) as bench:
        taken = rounds(bench.teams, {**SAME, NEW: slow}, ERRANDS)
    assert bench.old == bench.new
    assert [len(each) >= LEAST_ROUNDS for each in taken] == [True, True]
    assert all(each.ratio > 1.5 for process in taken for each in process)
