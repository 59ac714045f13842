"""Jobs have the same results wherever an executor runs them, even if a worker is lost."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.score.executors import load_executor
from broken_convnets.commands.score.programs.program import corpus_programs
from broken_convnets.commands.score.protocol.messages import Need
from broken_convnets.commands.score.requests import ToolClient
from broken_convnets.commands.score.tool_jobs import ToolRef, ToolReport
from broken_convnets.errors import RunnerError, UsageError
from broken_convnets.sandbox import executor_runner
from broken_convnets.sandbox.executor_runner import CHUNK, ExecutorRunner
from broken_convnets.sandbox.fork_client import ForkServer
from broken_convnets.sandbox.job import Job, JobStatus, Limits
from distributed import Client, LocalCluster
from kit import Pair, corpus_of, wait_for
from sandbox_jobs import Amount, Nothing, Process, Text

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.commands.score.protocol.messages import Diagnosis
    from broken_convnets.sandbox.runner import Runner

LIMITS = Limits(seconds=20)
PATIENCE = 60.0  # seconds to wait for an event, on a busy machine
COUNTS = """
import json, sys
request = json.loads(sys.stdin.readline())
size = len(request["source"])
found = {"message": f"{size} characters", "location": {"line": 1, "role": "cause"}}
print(json.dumps({"status": "flagged", "findings": [found]}))
"""

pytestmark = pytest.mark.filterwarnings("ignore")  # warnings of Dask's own


def _job(function: str, payload: Text | Amount | Nothing, number: int = 0) -> Job:
    return Job(number, f"sandbox_jobs:{function}", payload)


@pytest.mark.slow
def test_dask_returns_every_result_although_a_worker_is_killed(tmp_path: Path) -> None:
    texts = {number: Text(f"job {number}") for number in range(4 * CHUNK)}
    jobs = [_job("echo_slowly", text, number) for number, text in texts.items()]
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=tmp_path
        ) as cluster,
        Client(cluster) as client,
    ):
        pids = list(client.run(os.getpid).values())
        with ExecutorRunner(client.get_executor(retries=3), LIMITS) as runner:
            results = runner.run(jobs, Text)
            found = [next(results)]
            os.kill(pids[0], signal.SIGKILL)
            found += results
        assert {result.job: result.answer for result in found} == texts
        assert len(found) == len(texts)
        assert pids[0] not in client.run(os.getpid).values()


def test_a_thread_pool_works_too() -> None:
    with ExecutorRunner(ThreadPoolExecutor(1), LIMITS) as runner:
        jobs = [_job("process", Nothing(), number) for number in range(3)]
        results = list(runner.run(jobs, Process))
        (crashed,) = runner.run([_job("abort", Nothing())], Nothing)
    assert sorted(result.job for result in results) == [0, 1, 2]
    assert len({result.answer.pid for result in results if result.answer} - {os.getpid()}) == 3
    assert crashed.status is JobStatus.CRASHED


def test_a_module_that_no_worker_can_import_is_reported() -> None:
    with pytest.raises(RunnerError, match="no_such_module cannot be imported"):
        ExecutorRunner(ThreadPoolExecutor(1), Limits(preload=["no_such_module"]))


def _diagnoses(runner: Runner, folder: Path) -> dict[tuple[str, str, int], Diagnosis]:
    corpus = corpus_of(folder, {f"healthy/pair_{number}": Pair() for number in range(2)})
    programs = corpus_programs([(0, entry) for entry in corpus.entries.values()], seed=0)
    script = folder / "tool.py"
    script.write_text(COUNTS)
    ref = ToolRef("counts", [sys.executable, str(script)], [Need.SOURCE])
    report = ToolReport(needs=[Need.SOURCE])
    client = ToolClient(runner, ref, report, seconds=20, kinds={"other"})
    return {result.program.key: result.diagnosis for result in client.diagnose(programs)}


def test_a_tool_diagnoses_the_same_on_an_executor(tmp_path: Path) -> None:
    with ExecutorRunner(ThreadPoolExecutor(1), LIMITS) as runner:
        there = _diagnoses(runner, tmp_path)
    with ForkServer(LIMITS) as runner:
        here = _diagnoses(runner, tmp_path)
    assert there == here
    assert len(here) == 4


def test_a_runner_is_closed_when_its_thread_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = threading.Event()
    opened = SimpleNamespace(close=closed.set)
    monkeypatch.setattr(executor_runner, "open_runner", lambda _: opened)
    with ExecutorRunner(ThreadPoolExecutor(1), LIMITS) as runner:
        assert not closed.is_set()
    del runner
    assert wait_for(lambda: gc.collect() >= 0 and closed.is_set(), PATIENCE)


@pytest.mark.parametrize("spec", ["nonsense", "no_such_module:make", "os:no_such", "os:getcwd"])
def test_a_callable_without_an_executor_is_rejected(spec: str) -> None:
    with pytest.raises(UsageError, match=rf"^--executor {spec}: "):
        load_executor(spec)
