"""The fork server returns a result for every job, whatever the job does, and leaves no process."""

from __future__ import annotations

import errno
import os
import platform
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import sandbox_jobs
from broken_convnets.errors import RunnerError
from broken_convnets.sandbox.connection import Connection, ServerDiedError
from broken_convnets.sandbox.fork_client import ForkServer
from broken_convnets.sandbox.fork_server import MANY_JOBS
from broken_convnets.sandbox.forked_server import ForkedProcess, ForkedServer
from broken_convnets.sandbox.job import Job, JobStatus, Limits
from kit import servers, wait_for
from sandbox_jobs import Amount, Nothing, Process, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import msgspec
    from broken_convnets.sandbox.job import JobResult
    from broken_convnets.sandbox.runner import Runner

PATIENT = Limits(seconds=10, workers=4)  # for jobs that must not reach a limit, however slow
PATIENCE = 60.0  # seconds to wait for what happens at once on an idle machine


def _job(function: str, payload: msgspec.Struct | None = None, number: int = 0) -> Job:
    return Job(number, f"sandbox_jobs:{function}", payload or Nothing())


def _run(
    runner: Runner,
    function: str,
    payload: msgspec.Struct | None = None,
    schema: type[msgspec.Struct] = Nothing,
) -> JobResult[msgspec.Struct]:
    (result,) = runner.run([_job(function, payload)], schema)
    return result


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ForkServer]:
    with ForkServer(PATIENT) as runner:
        yield runner


@contextmanager
def _opened(limits: Limits) -> Iterator[tuple[ForkServer, psutil.Process]]:
    """Open a runner and yield it with the process of its server."""
    before = servers()
    with ForkServer(limits) as runner:
        (server,) = servers() - before
        yield runner, server


# What a runner promises.


def test_each_of_many_jobs_is_answered_once_by_a_process_of_its_own(sandbox: ForkServer) -> None:
    results = list(sandbox.run([_job("process", number=n) for n in range(100)], Process))
    assert sorted(result.job for result in results) == list(range(100))
    answers = [result.answer for result in results if result.answer]
    assert len({answer.pid for answer in answers} - {os.getpid()}) == 100


def test_no_job_yields_no_result(sandbox: ForkServer) -> None:
    assert list(sandbox.run([], Nothing)) == []


def test_payload_and_answer_arrive_unchanged(sandbox: ForkServer) -> None:
    text = Text('{"a": 1}\n\x00 ✓' * 99_999)
    assert _run(sandbox, "echo", text, Text).answer == text


def test_an_abandoned_run_leaves_no_result_to_the_next(sandbox: ForkServer) -> None:
    abandoned = sandbox.run([_job("echo", Text("old"), n) for n in range(50)], Text)
    assert next(abandoned).answer == Text("old")
    abandoned.close()  # type: ignore[attr-defined]  # a generator
    results = list(sandbox.run([_job("echo", Text("new"), 7) for _ in range(3)], Text))
    assert [(result.job, result.answer) for result in results] == [(7, Text("new"))] * 3


def test_a_server_forked_from_this_process_runs_jobs_and_ends_when_it_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killed = []
    kill = ForkedProcess.kill

    def recorded_kill(process: ForkedProcess) -> None:
        killed.append(process.pid)
        kill(process)

    monkeypatch.setattr(ForkedProcess, "kill", recorded_kill)
    with ForkedServer(PATIENT) as runner:
        assert _run(runner, "echo", Text("here"), Text).answer == Text("here")
    assert killed == []


def test_jobs_share_what_their_module_prepares_in_the_server() -> None:
    with _opened(PATIENT) as (runner, server):
        answers = [_run(runner, "process", schema=Process).answer for _ in range(2)]
    prepared_in = [answer.prepared_in for answer in answers if isinstance(answer, Process)]
    assert prepared_in == [server.pid, server.pid]


def test_a_job_that_cannot_be_prepared_runs(sandbox: ForkServer) -> None:
    text = Text("cannot be prepared")
    assert _run(sandbox, "echo", text, Text).answer == text


def test_a_job_starts_without_input_in_an_empty_folder_that_is_deleted(
    sandbox: ForkServer,
) -> None:
    answer = _run(sandbox, "surroundings", schema=Text).answer
    assert isinstance(answer, Text)
    read, files, folder = answer.text.split(" ", 2)
    assert (read, files) == ("''", "1")  # the one that the job wrote
    assert not Path(folder).exists()


def test_hooks_of_preloaded_modules_run_once_before_the_first_job() -> None:
    with ForkServer(Limits(preload=["sandbox_jobs"])) as runner:
        for _ in range(2):
            assert _run(runner, "hooks", schema=Text).answer == Text("configure warm_up")


def test_a_module_that_cannot_be_preloaded_is_reported() -> None:
    before = servers()
    with pytest.raises(RunnerError, match=r"^no_such_module cannot be imported: No module"):
        ForkServer(Limits(preload=["no_such_module"]))
    assert servers() == before


def test_the_limits_are_named() -> None:
    with pytest.raises(TypeError):
        Limits(10.0, 1 << 30)  # type: ignore[call-arg]  # bytes would be taken for a factor


# Limits.


def test_a_job_that_waits_longer_than_its_processor_time_is_not_stopped() -> None:
    with ForkServer(Limits(seconds=0.5, wall_factor=2 * PATIENCE)) as runner:
        assert _run(runner, "nap", Amount(1.0)).status is JobStatus.DONE


@pytest.mark.parametrize("function", ["hang", "hang_beside_a_fork"])
def test_a_job_that_waits_for_ever_is_stopped(function: str) -> None:
    with ForkServer(Limits(seconds=1, wall_factor=0.5)) as runner:
        result = _run(runner, function)
    assert (result.status, result.detail) == (JobStatus.TIMEOUT, "still running after 0.5 s")


@pytest.mark.parametrize("function", ["spin", "spin_in_a_child", "spin_in_a_daemon", "flood"])
def test_a_job_that_computes_for_ever_is_stopped(function: str) -> None:
    with ForkServer(Limits(seconds=0.3, wall_factor=1e4)) as runner:
        result = _run(runner, function)
    assert result.status is JobStatus.TIMEOUT
    assert result.detail == "used more than 0.3 s of processor time"


@pytest.mark.parametrize(
    "function",
    [
        "hoard",
        "hoard_in_a_child",
        "hoard_in_a_daemon",
        "hoard_in_a_child_of_a_thread",
        "hoard_in_a_child_beside_a_zombie",
        "hoard_in_children_that_share",
    ],
)
def test_a_job_that_takes_too_much_memory_is_stopped(function: str) -> None:
    with ForkServer(Limits(memory_bytes=256 << 20)) as runner:
        result = _run(runner, function)
    assert result.status is JobStatus.CRASHED
    assert result.detail == "exceeded the memory limit of 0.25 GiB"


def test_what_the_server_has_loaded_does_not_count_as_memory_of_a_job() -> None:
    half = sandbox_jobs.BALLAST_BYTES // 2
    with ForkServer(Limits(memory_bytes=half, preload=["sandbox_jobs"])) as runner:
        assert _run(runner, "hoard_and_nap", Amount(1)).status is JobStatus.DONE
        assert _run(runner, "hoard").status is JobStatus.CRASHED


def test_a_job_that_starts_too_many_processes_is_stopped() -> None:
    with ForkServer(Limits(processes=20)) as runner:
        result = _run(runner, "start_many_processes")
    assert (result.status, result.detail) == (JobStatus.CRASHED, "started more than 20 processes")


def test_a_daemon_that_its_job_disowns_is_killed(sandbox: ForkServer) -> None:
    job = Job(0, "sandbox_jobs:disown_a_daemon", Nothing(), isolated=False)
    (result,) = sandbox.run([job], Text)
    assert result.answer == Text("killed")


# Jobs that crash, return nonsense, or tamper.

CRASHES = {
    "exit_at_once": r"the process ended without a result \(exit status 0\)",
    "exit_after_a_word": r"the process ended without a result \(exit status 3\): passed",
    "abort": r"the process ended without a result \(Aborted\).*",
    "segfault": r"the process ended without a result \(Segmentation fault\).*",
    "terminate_itself": r"the process ended without a result \(Terminated\)",
    "raise_an_error": r"the process ended without a result \(exit status 70\): ValueError: no",
    "close_the_answer": r"the process ended without a result \(exit status 70\): OSError.*",
    "close_everything": r"the process ended without a result \(exit status 70\)",
    "write_garbage": r"the process ended without a result \(exit status 0\)",
    "return_another_type": r"the process wrote an invalid result: .* missing required field.*",
    "return_too_much": r"the result is larger than 4 MiB",
    "no_such_function": r"the process ended without a result \(exit status 70\): AttributeError.*",
}


@pytest.mark.parametrize("function", CRASHES)
def test_a_crash_is_reported_with_its_reason(function: str, sandbox: ForkServer) -> None:
    result = _run(sandbox, function, schema=Text)
    assert (result.status, result.answer) == (JobStatus.CRASHED, None)
    assert re.fullmatch(CRASHES[function], result.detail), result.detail


def test_a_payload_of_another_type_is_a_crash(sandbox: ForkServer) -> None:
    result = _run(sandbox, "nap", Text("soon"))
    assert result.status is JobStatus.CRASHED
    assert "missing required field `value`" in result.detail


@pytest.mark.parametrize(
    "function", ["close_its_output", "flood_once", "leave_a_daemon", "leave_its_folder"]
)
def test_a_job_that_does_odd_things_and_returns_is_done(function: str, sandbox: ForkServer) -> None:
    result = _run(sandbox, function)
    assert (result.status, result.answer) == (JobStatus.DONE, Nothing())


def test_no_process_of_a_job_is_left(sandbox: ForkServer) -> None:
    assert _run(sandbox, "leave_a_daemon").status is JobStatus.DONE
    assert [child for server in servers() for child in server.children(recursive=True)] == []


# The server itself.


@pytest.mark.parametrize(
    ("function", "how"),
    [
        ("end_the_server", "exit -9"),
        pytest.param("stop_the_server", "it was stopped", marks=pytest.mark.slow),
    ],
)
def test_a_job_that_ends_its_server_costs_no_other_job(function: str, how: str) -> None:
    hostile = Job(99, f"sandbox_jobs:{function}", Nothing(), isolated=False)
    jobs = [_job("echo_slowly", Text("alive"), number) for number in range(40)]
    before = servers()
    with ForkServer(Limits(seconds=PATIENCE, workers=2)) as runner:
        results = {
            result.job: result for result in runner.run([*jobs[:20], hostile, *jobs[20:]], Text)
        }
        assert _run(runner, "echo", Text("next"), Text).answer == Text("next")
    culprit = results.pop(99)
    assert culprit.status is JobStatus.CRASHED
    assert culprit.detail == f"it ended the process that starts all programs ({how}), twice"
    assert len(results) == 40
    assert {result.answer for result in results.values()} == {Text("alive")}
    assert servers() == before


def test_a_server_that_dies_once_costs_no_job_and_leaves_no_process_and_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with _opened(Limits(seconds=PATIENCE, workers=3)) as (runner, server):
        jobs = [_job("process"), *(_job("nap", Amount(1.0), number) for number in range(1, 4))]
        results = runner.run(jobs, Nothing)
        assert next(results).job == 0
        assert wait_for(lambda: len(server.children()) == 3, PATIENCE)
        processes = server.children(recursive=True)
        server.kill()
        assert [result.status for result in results] == [JobStatus.DONE] * 3
    gone, alive = psutil.wait_procs(processes, timeout=PATIENCE)
    assert (len(gone), alive) == (3, [])
    assert list(tmp_path.iterdir()) == []


def test_servers_that_die_without_a_job_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with ForkServer(PATIENT) as runner:

        def die(*_: object) -> None:
            how = "exit 1"
            raise ServerDiedError(how)

        monkeypatch.setattr(Connection, "receive", die)
        with pytest.raises(RunnerError, match=r"^the fork server died \(exit 1\)"):
            _run(runner, "echo", Text("lost"), Text)


def test_a_server_that_is_a_fork_of_this_process_is_not_started_again() -> None:
    with ForkedServer(PATIENT) as runner:
        job = Job(0, "sandbox_jobs:end_the_server", Nothing(), isolated=False)
        with pytest.raises(RunnerError, match=r"^the fork server died \(exit -9\)"):
            list(runner.run([job], Nothing))


def test_a_process_that_cannot_be_started_costs_only_its_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folders = iter(range(3))
    make = tempfile.mkdtemp

    def make_two(suffix: str | None = None, prefix: str = "", dir: str | None = None) -> str:  # noqa: A002  (as in tempfile)
        if next(folders) == 2:  # after that of the server, and of the first job
            raise OSError(errno.ENOSPC, "No space left on device")
        return make(suffix, prefix, dir)

    monkeypatch.setattr(tempfile, "mkdtemp", make_two)
    with ForkedServer(Limits(isolate=False)) as runner:
        jobs = [_job("echo", Text("here"), number) for number in range(2)]
        first, second = runner.run(jobs, Text)
    assert first.answer == Text("here")
    assert second.status is JobStatus.CRASHED
    assert second.detail.startswith("its process cannot be started: [Errno 28] No space left")


def test_closing_a_runner_kills_its_jobs() -> None:
    with _opened(Limits(seconds=PATIENCE, workers=2)) as (runner, server):
        results = runner.run([_job("process"), _job("hang", number=1)], Process)
        next(results)
        assert wait_for(lambda: len(server.children()) == 1, PATIENCE)
        (hanging,) = server.children()
    assert not hanging.is_running()
    assert not server.is_running()


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").exists()
    or tuple(map(int, platform.release().split(".")[:2])) < (6, 1),
    reason="this kernel cannot move memory into huge pages on request",
)
@pytest.mark.parametrize("batch", [1, MANY_JOBS])
def test_after_many_jobs_a_process_has_the_servers_memory_in_huge_pages(batch: int) -> None:
    jobs = [_job("memory_map", number=number) for number in range(MANY_JOBS)]
    batches = [jobs[start : start + batch] for start in range(0, MANY_JOBS, batch)]
    with ForkServer(Limits(preload=["sandbox_jobs"])) as runner:
        answer = [one for some in batches for one in runner.run(some, Text)][-1].answer
    assert isinstance(answer, Text)
    size = re.search(r"AnonHugePages: +(\d+) kB", answer.text)
    assert size, answer.text
    assert int(size[1]) > 50_000
