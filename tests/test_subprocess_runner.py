"""Where a process cannot be forked, a new interpreter per job returns the same results."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from broken_convnets.observe.facts import RunRequest
from broken_convnets.observe.runner import PRELOAD
from broken_convnets.sandbox import choice, subprocess_runner
from broken_convnets.sandbox.job import Job, JobStatus, Limits
from broken_convnets.sandbox.subprocess_runner import SubprocessRunner
from kit import HEALTHY
from sandbox_jobs import Amount, Nothing, Text
from torch_jobs import ObservedThere

if TYPE_CHECKING:
    from collections.abc import Iterator

    import msgspec
    from kit import Remembering

SHORT = Limits(seconds=1, wall_factor=1e4, memory_bytes=1 << 28)


@pytest.fixture
def interpreters(monkeypatch: pytest.MonkeyPatch) -> Iterator[SubprocessRunner]:
    """Return a runner of jobs that need no torch and so start within little."""
    monkeypatch.setattr(subprocess_runner, "START_BYTES", 1 << 28)
    monkeypatch.setattr(subprocess_runner, "START_SECONDS", 1.0)
    with SubprocessRunner(SHORT) as opened:
        yield opened


def _job(function: str, payload: msgspec.Struct | None = None, number: int = 0) -> Job:
    return Job(number, f"sandbox_jobs:{function}", payload or Nothing())


@pytest.mark.slow
def test_a_program_has_the_observation_and_runtime_of_a_fork(runner: Remembering) -> None:
    job = Job(0, "torch_jobs:observe_there", RunRequest(HEALTHY))
    limits = Limits(seconds=90, preload=PRELOAD)
    (forked,) = runner.run([job], ObservedThere)
    with SubprocessRunner(limits) as interpreters:
        (result,) = interpreters.run([job], ObservedThere)
    assert forked.answer
    assert result.answer
    assert result.answer.observation.repeatable == forked.answer.observation.repeatable
    assert result.answer.observation.laws == forked.answer.observation.laws
    assert result.answer.runtime == forked.answer.runtime


def test_each_job_is_answered_once(interpreters: SubprocessRunner) -> None:
    jobs = [_job("echo", Text(str(number)), number) for number in range(3)]
    answers = {result.job: result.answer for result in interpreters.run(jobs, Text)}
    assert answers == {number: Text(str(number)) for number in range(3)}


def test_modules_are_preloaded_and_not_warmed_up() -> None:
    with SubprocessRunner(Limits(preload=["sandbox_jobs"])) as interpreters:
        (result,) = interpreters.run([_job("hooks")], Text)
    assert result.answer == Text("configure")


def test_a_module_that_cannot_be_preloaded_is_reported() -> None:
    with SubprocessRunner(Limits(preload=["no_such_module"])) as interpreters:
        (result,) = interpreters.run([_job("hooks")], Text)
    assert result.status is JobStatus.CRASHED
    assert "(exit status 1): no_such_module cannot be imported: No module" in result.detail


@pytest.mark.parametrize(
    ("function", "status", "detail"),
    [
        ("spin", JobStatus.TIMEOUT, "used more than 1 s of processor time"),
        pytest.param(
            "flood",
            JobStatus.TIMEOUT,
            "used more than 1 s of processor time",
            marks=pytest.mark.slow,
        ),
        ("hoard", JobStatus.CRASHED, "exceeded the memory limit of 0.25 GiB"),
        ("exit_at_once", JobStatus.CRASHED, r"the process ended without .* \(exit status 0\)"),
        ("abort", JobStatus.CRASHED, r"the process ended without a result \(Aborted\)"),
        ("raise_an_error", JobStatus.CRASHED, r"the process ended without .* \(exit status 1\)"),
        ("return_another_type", JobStatus.CRASHED, "the process wrote an invalid result: .*"),
        ("return_too_much", JobStatus.CRASHED, "the result is larger than 4 MiB"),
    ],
)
def test_a_job_that_fails_is_reported_with_its_reason(
    function: str, status: JobStatus, detail: str, interpreters: SubprocessRunner
) -> None:
    (result,) = interpreters.run([_job(function)], Text)
    assert result.status is status
    assert re.fullmatch(detail, result.detail), result.detail


@pytest.mark.parametrize("function", ["hang", "hang_beside_a_fork"])
def test_a_job_that_waits_for_ever_is_stopped(
    function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess_runner, "START_SECONDS", 1.0)
    with SubprocessRunner(Limits(seconds=1, wall_factor=0.5)) as interpreters:
        (result,) = interpreters.run([_job(function)], Nothing)
    assert (result.status, result.detail) == (JobStatus.TIMEOUT, "still running after 0.5 s")


def test_an_abandoned_run_is_stopped_and_leaves_no_result_to_the_next(
    interpreters: SubprocessRunner,
) -> None:
    abandoned = interpreters.run([_job("nap", Amount(0)), _job("hang", number=1)], Nothing)
    assert next(abandoned).job == 0
    abandoned.close()  # type: ignore[attr-defined]  # a generator
    (result,) = interpreters.run([_job("echo", Text("new"), 7)], Text)
    assert (result.job, result.answer) == (7, Text("new"))


def test_where_no_fork_is_possible_it_is_the_runner_that_is_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr("os.pidfd_open")
    assert isinstance(choice.open_runner(Limits()), SubprocessRunner)
