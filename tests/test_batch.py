"""Which jobs run again, and alone, after their server has died."""

from __future__ import annotations

from broken_convnets.sandbox.batch import Batch
from broken_convnets.sandbox.job import Job


def _batch(count: int) -> Batch:
    return Batch([Job(number, "", None) for number in range(count)])


def _numbers(jobs: list[Job]) -> list[int]:
    return [job.number for job in jobs]


def test_jobs_are_sent_as_far_as_there_is_room() -> None:
    batch = _batch(5)
    assert _numbers(batch.take(3)) == [0, 1, 2]
    assert batch.take(3) == []
    batch.finish(1)
    assert _numbers(batch.take(3)) == [3]
    for number in (0, 2, 3):
        batch.finish(number)
    assert _numbers(batch.take(3)) == [4]
    assert batch.unfinished
    batch.finish(4)
    assert not batch.unfinished


def test_each_job_that_had_started_runs_alone_after_its_server_died() -> None:
    batch = _batch(4)
    batch.take(4)
    batch.start(0)
    batch.start(2)
    assert batch.server_died() is None
    assert _numbers(batch.take(4)) == [0]
    assert batch.take(4) == []
    batch.start(0)
    batch.finish(0)
    assert _numbers(batch.take(4)) == [2]
    batch.finish(2)
    assert _numbers(batch.take(4)) == [1, 3]


def test_a_job_that_is_alone_when_a_second_server_dies_is_the_culprit() -> None:
    batch = _batch(2)
    batch.take(1)
    batch.start(0)
    assert batch.server_died() is None
    batch.take(1)
    batch.start(0)
    culprit = batch.server_died()
    assert culprit is not None
    assert culprit.number == 0
    assert _numbers(batch.take(1)) == [1]
    batch.finish(1)
    assert not batch.unfinished


def test_a_suspect_that_had_not_started_when_its_server_died_is_not_blamed() -> None:
    batch = _batch(1)
    batch.take(1)
    batch.start(0)
    batch.server_died()
    batch.take(1)
    assert batch.server_died() is None
    assert _numbers(batch.take(1)) == [0]
