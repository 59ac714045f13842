"""Where a fork is not possible, a new interpreter per program tells the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kit import HEALTHY, doing, importing

from harness.facts import End, Ending, Job, Limits
from harness.isolation import fresh
from harness.isolation.fresh import FreshInterpreters
from harness.isolation.runner import open_runner

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
def endings(interpreters: FreshInterpreters) -> dict[str, Ending]:
    """Run all but one under long limits, then the one that uses up all of its time."""
    jobs = [Job(number, source, 0) for number, source in enumerate(PROGRAMS.values())]
    found = list(interpreters.run(jobs[:-1]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fresh, "STARTUP_SECONDS", 5.0)
        patch.setattr(interpreters, "_limits", Limits(seconds=1))
        found += interpreters.run(jobs[-1:])
    return {list(PROGRAMS)[ending.job]: ending for ending in found}


def test_it_says_the_same_of_itself_as_a_server(
    interpreters: FreshInterpreters, runner: Remembering
) -> None:
    here, there = interpreters.hello, runner.hello
    assert (here.torch, here.python, here.devices) == (there.torch, there.python, there.devices)


def test_a_healthy_program_gives_the_same_facts_as_in_a_fork(
    endings: dict[str, Ending], runner: Remembering
) -> None:
    (forked,) = runner.run([Job(0, HEALTHY, 0)])
    fresh_one = endings["healthy"].observation
    assert fresh_one
    assert forked.observation
    assert fresh_one.repeatable == forked.observation.repeatable
    assert fresh_one.laws == forked.observation.laws


def test_a_program_that_hangs_is_stopped(endings: dict[str, Ending]) -> None:
    assert (endings["hangs"].end, endings["hangs"].detail) == (
        End.TIMEOUT,
        "still running after 1 s",
    )


def test_a_program_that_exits_has_crashed(endings: dict[str, Ending]) -> None:
    assert endings["exits"].end is End.CRASHED
    assert "without a result" in endings["exits"].detail


def test_where_no_fork_is_possible_each_job_gets_an_interpreter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr("os.pidfd_open")
    opened: list[Limits] = []
    monkeypatch.setattr(fresh, "FreshInterpreters", opened.append)
    open_runner(Limits(workers=3))
    assert opened == [Limits(workers=3)]
