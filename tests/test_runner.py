"""A runner answers every job once, and says so when it cannot go on."""

from __future__ import annotations

import platform
import re
import time
from pathlib import Path

import psutil
import pytest
from broken_convnets.errors import RunnerError
from broken_convnets.observe.facts import Observation, RunRequest
from broken_convnets.observe.runner import OBSERVE, PRELOAD
from broken_convnets.sandbox.fork_client import ForkServer
from broken_convnets.sandbox.job import Job, JobStatus, Limits
from kit import importing, servers

STOPS = importing("os", "raise RuntimeError(os.getpid())")
HANGS = importing("time", "time.sleep(86_400)")


def test_every_job_is_answered_once_by_a_process_of_its_own(server: ForkServer) -> None:
    endings = list(
        server.run([Job(number, OBSERVE, RunRequest(STOPS)) for number in range(100)], Observation)
    )
    assert sorted(ending.job for ending in endings) == list(range(100))
    assert {ending.status for ending in endings} == {JobStatus.DONE}
    said = {
        ending.answer.raised.message for ending in endings if ending.answer and ending.answer.raised
    }
    assert len(said) == 100


def test_no_job_gives_no_ending(server: ForkServer) -> None:
    assert list(server.run([], Observation)) == []


def test_a_server_that_dies_is_reported_and_takes_its_programs_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # a killed server leaves its folder behind
    before = servers()
    with ForkServer(Limits(seconds=60, workers=2, preload=PRELOAD)) as runner:
        (mine,) = servers() - before
        endings = runner.run(
            [
                Job(0, OBSERVE, RunRequest(STOPS)),
                *(Job(n, OBSERVE, RunRequest(HANGS)) for n in range(1, 9)),
            ],
            Observation,
        )
        assert next(endings).job == 0
        programs = mine.children(recursive=True)
        mine.kill()
        with pytest.raises(RunnerError, match=r"^the fork server died \(exit -9\)"):
            next(endings)
    gone, alive = psutil.wait_procs(programs, timeout=5)
    assert programs
    assert (len(gone), alive) == (len(programs), [])


def test_the_time_for_which_the_machine_stood_still_is_not_the_programs() -> None:
    naps = importing("time", "for _ in range(20): time.sleep(0.1)")
    before = servers()
    with ForkServer(Limits(seconds=4, workers=1, preload=PRELOAD)) as runner:
        (server,) = servers() - before
        endings = runner.run(
            [Job(0, OBSERVE, RunRequest(STOPS)), Job(1, OBSERVE, RunRequest(naps))], Observation
        )
        assert next(endings).job == 0
        time.sleep(0.5)  # the naps have begun
        _stand_still([*server.children(recursive=True), server], seconds=5)
        assert next(endings).status is JobStatus.DONE


def _stand_still(processes: list[psutil.Process], seconds: float) -> None:
    assert len(processes) == 2
    for process in processes:
        process.suspend()
    time.sleep(seconds)
    for process in reversed(processes):
        process.resume()


def test_the_bound_of_memory_is_what_it_says() -> None:
    modest, greedy = (
        importing("time", f"hoard = bytearray(b'1') * ({megabytes} << 20)\ntime.sleep(1)")
        for megabytes in (128, 512)
    )
    with ForkServer(Limits(memory_bytes=256 << 20, workers=1, preload=PRELOAD)) as runner:
        endings = list(
            runner.run(
                [Job(0, OBSERVE, RunRequest(modest)), Job(1, OBSERVE, RunRequest(greedy))],
                Observation,
            )
        )
    assert [ending.status for ending in endings] == [JobStatus.DONE, JobStatus.CRASHED]
    assert endings[1].detail == "exceeded the memory limit of 0.25 GiB"


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").exists()
    or tuple(map(int, platform.release().split(".")[:2])) < (6, 1),
    reason="this kernel cannot be asked for huge pages",
)
def test_a_program_begins_with_huge_pages(server: ForkServer) -> None:
    look = "raise RuntimeError(Path('/proc/self/smaps_rollup').read_text())"
    source = "from pathlib import Path\n" + importing("os", look)
    (ending,) = server.run([Job(0, OBSERVE, RunRequest(source))], Observation)
    assert ending.answer
    assert ending.answer.raised
    told = re.search(r"AnonHugePages: +(\d+) kB", ending.answer.raised.message)
    assert told, ending.answer.raised.message
    assert int(told[1]) > 50_000
