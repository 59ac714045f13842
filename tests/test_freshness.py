"""Where a fork is not possible, a new interpreter per program tells the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from broken_convnets.observe.facts import Observation, Run, RunRequest
from broken_convnets.observe.runner import OBSERVE, PRELOAD, runtime_of
from broken_convnets.sandbox import subprocess_runner
from broken_convnets.sandbox.job import Job, JobStatus, Limits
from broken_convnets.sandbox.runner import open_runner
from broken_convnets.sandbox.subprocess_runner import FreshInterpreters
from kit import HEALTHY, doing, importing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kit import Remembering

PROGRAMS = {
    "healthy": HEALTHY,
    "exits": doing("print('passed')", "os._exit(0)", needs="os"),
    "hangs": importing("time", "time.sleep(86_400)"),
}


@pytest.fixture(scope="module")
def interpreters() -> Iterator[FreshInterpreters]:
    with FreshInterpreters(Limits(seconds=90, workers=2)) as opened:
        yield opened


@pytest.fixture(scope="module")
def endings(interpreters: FreshInterpreters) -> dict[str, Run]:
    """Run all but one under long limits, then the one that uses up all of its time."""
    jobs = [
        Job(number, OBSERVE, RunRequest(source)) for number, source in enumerate(PROGRAMS.values())
    ]
    found = list(interpreters.run(jobs[:-1], Observation))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess_runner, "STARTUP_SECONDS", 5.0)
        patch.setattr(interpreters, "_limits", Limits(seconds=1, wall_factor=1, preload=PRELOAD))
        found += interpreters.run(jobs[-1:], Observation)
    return {list(PROGRAMS)[ending.job]: ending for ending in found}


def test_it_says_the_same_of_itself_as_a_server(
    interpreters: FreshInterpreters, runner: Remembering
) -> None:
    here, there = runtime_of(interpreters), runtime_of(runner)
    assert (here.torch, here.python, here.devices) == (there.torch, there.python, there.devices)


def test_a_healthy_program_gives_the_same_facts_as_in_a_fork(
    endings: dict[str, Run], runner: Remembering
) -> None:
    (forked,) = runner.run([Job(0, OBSERVE, RunRequest(HEALTHY))], Observation)
    fresh_one = endings["healthy"].answer
    assert fresh_one
    assert forked.answer
    assert fresh_one.repeatable == forked.answer.repeatable
    assert fresh_one.laws == forked.answer.laws


def test_a_program_that_hangs_is_stopped(endings: dict[str, Run]) -> None:
    assert (endings["hangs"].status, endings["hangs"].detail) == (
        JobStatus.TIMEOUT,
        "still running after 1 s",
    )


def test_a_program_that_exits_has_crashed(endings: dict[str, Run]) -> None:
    assert endings["exits"].status is JobStatus.CRASHED
    assert "without a result" in endings["exits"].detail


def test_where_no_fork_is_possible_each_job_gets_an_interpreter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr("os.pidfd_open")
    opened: list[Limits] = []
    monkeypatch.setattr(subprocess_runner, "FreshInterpreters", opened.append)
    open_runner(Limits(workers=3))
    assert opened == [Limits(workers=3)]
