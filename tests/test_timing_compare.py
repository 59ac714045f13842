"""Programs are timed in processes of their own, and a program that fails is reported."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from broken_convnets.commands.bench.compare import (
    CONTROL,
    NEW,
    OLD,
    Bench,
    CannotTime,
    Effort,
    fingerprint_of,
    limits_for,
    open_bench,
)
from broken_convnets.commands.bench.timing_job import (
    TIME,
    Call,
    TimedProgram,
    TimingRequest,
    Timings,
)
from broken_convnets.errors import DeviceError, RunnerError
from broken_convnets.sandbox.job import Job, JobResult, JobStatus
from broken_convnets.sandbox.runner import Runner
from kit import BROKEN, HEALTHY, doing, importing, patched

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.sandbox.job import Answer

SMALL = Effort(processes=2, seconds=0.2)
SPIN = "end = time.perf_counter() + 0.002\n        while time.perf_counter() < end: pass"
SLOW = doing(SPIN, needs="time")
EXITS = patched(("(self, x):\n", "(self, x):\n        import os; os._exit(0)\n"))


class FakeRunner(Runner):
    """Answers timing jobs with rounds in which the new program takes 1.2 times as long."""

    isolation = "none"

    def __init__(self, results: Sequence[JobResult[Timings]] = ()) -> None:
        self.requests: list[TimingRequest] = []
        self._results = list(results)

    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        for job in jobs:
            assert job.call == TIME
            self.requests.append(job.payload)
            times = {name: 1200.0 if name == NEW else 1000.0 for name in job.payload.programs}
            slower = {name: 2 * ns for name, ns in times.items()}
            result = JobResult(job.number, JobStatus.DONE, answer=Timings([slower, times]))
            chosen = self._results.pop(0) if self._results else result
            yield msgspec.convert(chosen, JobResult[schema], from_attributes=True)  # type: ignore[valid-type]  # known at run time

    def close(self) -> None:
        """Nothing runs."""


def test_the_variants_share_a_process_under_one_interpreter() -> None:
    runner = FakeRunner()
    old, new = TimedProgram(HEALTHY), TimedProgram(SLOW)
    found = Bench(runner, runner, {}, {}).compare(old, new, Effort(3, 6.0))
    assert [request.programs for request in runner.requests] == [
        {OLD: old, NEW: new, CONTROL: old}
    ] * 3
    assert [request.seconds for request in runner.requests] == [2.0] * 3
    assert len({request.seed for request in runner.requests}) == 3
    assert [[each.ratio for each in rounds] for rounds in found] == [[1.2, 1.2]] * 3


def test_each_variant_has_a_process_under_two_interpreters() -> None:
    before, after = FakeRunner(), FakeRunner()
    old, new = TimedProgram(HEALTHY), TimedProgram(SLOW)
    found = Bench(before, after, {}, {}).compare(old, new, Effort(3, 9.0))
    assert [[each.ratio for each in rounds] for rounds in found] == [[1.2]] * 3
    assert [list(request.programs.values()) for request in before.requests] == [[old]] * 6
    assert [list(request.programs.values()) for request in after.requests] == [[new]] * 3
    assert {request.seconds for request in before.requests + after.requests} == {1.0}


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (JobResult(0, JobStatus.DONE, answer=Timings(error="KeyError: 'x'")), "KeyError: 'x'"),
        (JobResult[Timings](0, JobStatus.TIMEOUT, "used more than 60 s"), "used more than 60 s"),
    ],
)
def test_the_first_process_that_fails_ends_the_comparison(
    result: JobResult[Timings], reason: str
) -> None:
    runner = FakeRunner([result])
    program = TimedProgram(HEALTHY)
    with pytest.raises(CannotTime, match=reason):
        Bench(runner, runner, {}, {}).compare(program, program, SMALL)
    assert len(runner.requests) == 1


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with open_bench(sys.executable, sys.executable, "cpu") as opened:
        yield opened


def test_the_fingerprint_says_what_times_depend_on(bench: Bench) -> None:
    assert bench.old == bench.new
    assert bench.new["threads"] == "1"
    assert bench.new["python"].startswith("3.")
    assert {"torch", "processor", "vector code", "malloc", "denormals"} <= set(bench.new)


def test_a_slower_program_takes_longer(bench: Bench) -> None:
    found = bench.compare(TimedProgram(HEALTHY), TimedProgram(SLOW), SMALL)
    assert len(found) == SMALL.processes
    assert all(each.ratio > 1.5 for rounds in found for each in rounds)
    assert bench.time_alone(TimedProgram(SLOW), SMALL) > 2_000_000


@pytest.mark.parametrize("size", ["small", "batch"])
def test_the_inputs_have_the_requested_size(size: str, bench: Bench) -> None:
    shape = f"(4 if '{size}' == 'small' else 32)"
    assert bench.time_alone(TimedProgram(doing(f"assert len(x) == {shape}"), size=size), SMALL) > 0


def test_time_to_failure_ends_with_the_exception(bench: Bench) -> None:
    assert bench.time_alone(TimedProgram(BROKEN, Call.FAILURE), SMALL) > 1_000
    unimportable = importing("nowhere_at_all")
    assert bench.time_alone(TimedProgram(unimportable, Call.FAILURE), SMALL) > 1_000
    with pytest.raises(CannotTime, match="LookupError: the program raises nothing"):
        bench.time_alone(TimedProgram(HEALTHY, Call.FAILURE), SMALL)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (BROKEN, "RuntimeError: mat1 and mat2"),
        ("raise KeyError('x' * 9000)", "KeyError: 'xxxxx"),
        (EXITS, "ended without a result"),
        (importing("os", "os._exit(3)"), "ended without a result"),
    ],
)
def test_a_program_that_fails_is_reported_and_the_next_one_is_timed(
    source: str, reason: str, bench: Bench
) -> None:
    with pytest.raises(CannotTime, match=reason) as raised:
        bench.time_alone(TimedProgram(source), SMALL)
    assert len(str(raised.value)) <= 200
    assert bench.time_alone(TimedProgram(HEALTHY), SMALL) > 0


def test_output_of_a_program_does_not_mix_with_its_times(bench: Bench) -> None:
    assert bench.time_alone(TimedProgram(doing("print('[1.0]')")), SMALL) > 0


def another_python(folder: Path, command: str) -> str:
    """Write an executable that the bench takes for another interpreter; return its path."""
    path = folder / "python"
    path.write_text(f'#!/bin/sh\n{command} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.slow
def test_another_interpreter_imports_its_own_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broken_convnets.observe.runner.PRELOAD", [])  # no warm-up of torch
    log = tmp_path / "path"
    command = f'echo "$PYTHONPATH" > {log}; exec {sys.executable}'
    with open_bench(another_python(tmp_path, command), sys.executable, "cpu") as opened:
        folder = Path(log.read_text(encoding="utf-8").strip())
        assert [each.name for each in folder.iterdir()] == ["broken_convnets"]
        found = opened.compare(TimedProgram(HEALTHY), TimedProgram(SLOW), Effort(2, 0.01))
    assert not folder.exists()
    assert [len(rounds) for rounds in found] == [1, 1]
    assert all(rounds[0].ratio > 1.5 for rounds in found)


def test_a_python_that_does_not_exist_or_has_no_torch_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(
        RunnerError, match=r"--against-python .*nowhere: cannot start .*nowhere: No"
    ):
        _open(str(tmp_path / "nowhere"))
    assert not list(Path(tmp_path).iterdir())
    bare = another_python(tmp_path, f"exec {sys._base_executable} -I")  # type: ignore[attr-defined]  # noqa: SLF001  (CPython has it)
    with pytest.raises(RunnerError, match=r"--against-python .*died"):
        _open(bare)


def _open(python: str) -> None:
    with open_bench(python, sys.executable, "cpu"):
        pass


def test_a_device_that_is_unavailable_is_rejected_with_the_reason(bench: Bench) -> None:
    with pytest.raises(DeviceError, match=r"tpu is unavailable under python: unknown device"):
        fingerprint_of(bench.old_runner, "python", "tpu")


def test_a_process_may_use_its_share_and_more() -> None:
    limits = limits_for(Effort(2, 5_000.0))
    assert limits.seconds > 2_500
    assert limits.workers == 1, "processes at the same time would disturb each other"
