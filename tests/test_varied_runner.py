"""Two servers run their jobs at once: no more together than one server alone, and in turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sandbox_jobs
from broken_convnets.sandbox.fork_client import ForkServer
from broken_convnets.sandbox.job import Job, JobStatus, Limits
from broken_convnets.sandbox.varied_runner import VariedRunner
from sandbox_jobs import Amount, Nothing, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = sandbox_jobs.__name__
WORKERS = 2


@pytest.fixture(scope="module")
def runner() -> Iterator[VariedRunner]:
    with VariedRunner(Limits(workers=WORKERS, wall_factor=1)) as opened:
        yield opened


def _echo(number: int, variant: int) -> Job:
    return Job(number, f"{HERE}:echo_slowly", Text(str(number)), variant=variant)


def test_every_job_of_either_server_has_one_result(runner: VariedRunner) -> None:
    jobs = [_echo(number, number % 3 // 2) for number in range(30)]
    found = list(runner.run(jobs, Text))
    assert sorted(result.job for result in found) == list(range(30))
    assert all(result.answer == Text(str(result.job)) for result in found)


def test_a_job_that_hangs_on_one_server_keeps_the_other_from_nothing(
    runner: VariedRunner,
) -> None:
    jobs = [Job(0, f"{HERE}:nap", Amount(3600))] + [_echo(number, 1) for number in range(1, 9)]
    results = runner.run(jobs, Text)
    assert {next(results).job for _ in range(8)} == set(range(1, 9))


def test_a_run_that_was_abandoned_adds_nothing_to_the_next(runner: VariedRunner) -> None:
    next(runner.run([_echo(number, number % 2) for number in range(20)], Text))
    found = [result.job for result in runner.run([_echo(100, 0), _echo(101, 1)], Text)]
    assert sorted(found) == [100, 101]


def test_servers_have_no_more_jobs_together_than_there_are_workers(
    runner: VariedRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers: set[ForkServer] = set()
    running: list[int] = []
    steps = ForkServer.steps

    def counted(server: ForkServer, *arguments: Any) -> Iterator[Any]:
        servers.add(server)
        for result in steps(server, *arguments):
            running.append(sum(one.unanswered for one in servers))
            yield result

    monkeypatch.setattr(ForkServer, "steps", counted)
    list(runner.run([_echo(number, number % 2) for number in range(12)], Text))
    assert len(servers) == 2
    assert max(running) == WORKERS


def test_the_server_of_a_job_that_kills_it_is_replaced(runner: VariedRunner) -> None:
    killer = Job(0, f"{HERE}:end_the_server", Nothing(), isolated=False, variant=1)
    found = {one.job: one.status for one in runner.run([killer, _echo(1, 0), _echo(2, 1)], Text)}
    assert found == {0: JobStatus.CRASHED, 1: JobStatus.DONE, 2: JobStatus.DONE}
