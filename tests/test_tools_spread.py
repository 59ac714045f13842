"""A tool's answers are the same wherever its processes run, a lost worker included."""

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
from broken_convnets.commands.score import executors
from broken_convnets.commands.score.programs.program import corpus_programs
from broken_convnets.commands.score.protocol.messages import Need
from broken_convnets.commands.score.requests import ToolClient
from broken_convnets.commands.score.tool_jobs import ToolRef, ToolReport
from broken_convnets.errors import UsageError
from broken_convnets.observe.runner import runtime_of
from broken_convnets.sandbox.job import Limits
from distributed import Client, LocalCluster
from kit import Pair, Solo, corpus_of, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.commands.score.programs.program import CorpusProgram
    from broken_convnets.commands.score.protocol.messages import Diagnosis
    from broken_convnets.sandbox.runner import Runner

LIMITS = Limits(seconds=20, memory_bytes=1 << 30)
COUNTS = """
import json, sys, time
request = json.loads(sys.stdin.readline())
time.sleep(0.05)
said = {"message": f"{len(request['source'])} characters", "location": {"line": 1, "role": "cause"}}
print(json.dumps({"status": "flagged", "findings": [said]}))
"""

pytestmark = pytest.mark.filterwarnings(
    "ignore"
)  # Dask's own; the harness has nothing to do with it


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[CorpusProgram]:
    pairs: dict[str, Pair | Solo] = {f"healthy/pair_{number}": Pair() for number in range(40)}
    corpus = corpus_of(tmp_path_factory.mktemp("corpus"), pairs)
    return corpus_programs([(0, entry) for entry in corpus.entries.values()], seed=0)


def _answers(runner: Runner, asked: list[CorpusProgram], folder: Path) -> dict[str, Diagnosis]:
    script = folder / "tool.py"
    script.write_text(COUNTS)
    ref = ToolRef("counts", [sys.executable, str(script)], [Need.SOURCE])
    results = ToolClient(
        runner, ref, ToolReport(needs=[Need.SOURCE]), seconds=20, kinds={"other"}
    ).diagnose(asked)
    return {result.program.id: result.diagnosis for result in results}


def test_dask_returns_the_local_results_although_a_worker_is_killed(
    server: Runner, asked: list[CorpusProgram], tmp_path: Path
) -> None:
    here = _answers(server, asked, tmp_path)
    assert len(here) == 80
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=tmp_path
        ) as cluster,
        Client(cluster) as client,
    ):
        pids = list(client.run(os.getpid).values())
        with executors.ExecutorRunner(client.get_executor(retries=3), LIMITS) as runner:
            killer = threading.Timer(1.0, os.kill, (pids[0], signal.SIGKILL))
            killer.start()
            there = _answers(runner, asked, tmp_path)
            killer.join()
        assert there == here
        assert pids[0] not in client.run(os.getpid).values()


def test_any_executor_works(server: Runner, asked: list[CorpusProgram], tmp_path: Path) -> None:
    with executors.ExecutorRunner(ThreadPoolExecutor(1), LIMITS) as runner:
        assert runtime_of(runner).torch == runtime_of(server).torch
        few = asked[:4]
        assert _answers(runner, few, tmp_path) == _answers(server, few, tmp_path)


def test_a_runner_is_closed_when_its_thread_ends(
    server: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = threading.Event()
    opened = SimpleNamespace(close=closed.set)
    monkeypatch.setattr(executors, "open_torch_runner", lambda _: opened)
    with executors.ExecutorRunner(ThreadPoolExecutor(1), LIMITS) as runner:
        assert not closed.is_set()
    del runner
    assert wait_for(lambda: gc.collect() >= 0 and closed.is_set(), 20)


@pytest.mark.parametrize("spec", ["nonsense", "no_such_module:make", "os:no_such", "os:getcwd"])
def test_a_callable_without_an_executor_is_rejected(spec: str) -> None:
    with pytest.raises(UsageError, match=rf"^--executor {spec}: "):
        executors.load_executor(spec)
