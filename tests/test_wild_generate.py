"""Generating wild programs: the same ones in every order, resumed, and on a cluster."""

from __future__ import annotations

import argparse
import os
import signal
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from broken_convnets.commands.variants.limits import patient_limits
from broken_convnets.commands.wild import command
from broken_convnets.commands.wild.drafts import Draws
from broken_convnets.commands.wild.faults.all_faults import faults_named
from broken_convnets.commands.wild.healthy import STRUCTURE, choices
from broken_convnets.commands.wild.hosts.registry import hosts_named
from broken_convnets.commands.wild.running import Program, observed
from broken_convnets.commands.wild.store import CheckStore, OriginalCheck
from broken_convnets.commands.wild.verify import Checked, generate
from broken_convnets.corpus.entries import load
from broken_convnets.corpus.lint import lint, unformatted
from broken_convnets.corpus.spec import Healthy
from broken_convnets.observe.facts import ExceptionInfo, Observation
from broken_convnets.observe.runner import runtime_of, with_torch
from broken_convnets.sandbox.executor_runner import ExecutorRunner
from broken_convnets.sandbox.job import JobResult, JobStatus
from broken_convnets.sandbox.runner import Runner
from broken_convnets.vocabulary import Stage
from distributed import Client, LocalCluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.observe.facts import RunRequest
    from broken_convnets.sandbox.job import Answer, Job
    from conftest import Command

HEALTHY = Healthy(output="float32[8, 4]", inputs="float32[8, 3, 8, 8]", parameters=(9, 9))
FAST = ["autoencoder"]
SOME = [
    "shape/missing_flatten",
    "module/inplace_relu_on_input",
    "memory/missing_no_grad_at_inference",
]


def draws(seed: int = 3, hosts: list[str] | None = None, faults: list[str] | None = None) -> Draws:
    return Draws(hosts_named(hosts or []), faults_named(faults or []), seed)


class _Reversed(Runner):
    """A runner whose results come in the opposite order."""

    isolation = "reversed"

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        yield from reversed(list(self._runner.run(jobs, schema)))

    def close(self) -> None:
        """Leave the inner runner open."""


def kept(checked: Sequence[Checked]) -> list[tuple[int, str]]:
    return [(one.draft.number, one.case.broken) for one in checked if one.case]


@pytest.mark.slow
def test_the_order_in_which_programs_finish_changes_nothing(runner: Runner, tmp_path: Path) -> None:
    runtime = runtime_of(runner)
    found = [
        list(generate(each, draws(3, FAST, SOME), 3, CheckStore(tmp_path / name, runtime), batch))
        for name, each, batch in (("a", runner, 3), ("b", _Reversed(runner), 2))
    ]
    assert len(kept(found[0])) == 3
    assert kept(found[0]) == kept(found[1])


@pytest.mark.slow
def test_the_same_mistake_twice_in_one_model_is_made_at_two_places(
    runner: Runner, tmp_path: Path
) -> None:
    drawn = draws(3, ["autoencoder"], ["module/missing_super_init"])
    found = list(generate(runner, drawn, 6, CheckStore(tmp_path, runtime_of(runner))))
    sources = [source for _, source in kept(found)]
    assert len(set(sources)) == len(sources) > 1
    assert not any(one.exists for one in found if one.case is None)


@pytest.mark.parametrize("reason", ["original violates nonlinear", ""])
def test_a_healthy_program_that_fails_or_has_no_site_is_replaced(
    reason: str, runner: Runner, tmp_path: Path
) -> None:
    drawn = draws(3, FAST, SOME[:1])
    first, second = islice(drawn.drafts(0), 2)
    store = CheckStore(tmp_path, runtime_of(runner))
    unusable = OriginalCheck(reason, healthy=None if reason else HEALTHY)
    for one in (first, second):
        store.put(OriginalCheck(healthy=HEALTHY), one.plain, STRUCTURE)
    store.put(unusable, first.original.source)
    (found,) = choices(runner, store, [drawn.drafts(0)])
    assert found.usable
    assert found.draft.original.source == second.original.source
    (alone,) = choices(runner, store, [iter([first])])
    assert not alone.usable
    assert alone.check == unusable


class _Recording(Runner):
    """A runner that notes its jobs, and answers that each program raises a ValueError."""

    isolation = "none"

    def __init__(self) -> None:
        self.seen: list[RunRequest] = []

    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        assert schema is Observation
        for job in jobs:
            self.seen.append(job.payload)
            answer: Any = Observation(raised=ExceptionInfo(Stage.RUN, "ValueError", "no"))
            yield JobResult(job.number, JobStatus.DONE, "", answer)

    def close(self) -> None:
        """Close nothing."""


@pytest.mark.parametrize("reason", ["original raises: no", ""])
def test_a_program_that_its_first_run_rejects_does_not_run_again(reason: str) -> None:
    runner = _Recording()
    programs = [Program("first", full=True), Program("second", full=False, seeds=1)]
    found = list(observed(runner, programs, lambda *_: OriginalCheck(reason)))
    assert sorted(number for number, _ in found) == [0, 1]
    runs = [(one.source, one.seed, one.full) for one in runner.seen]
    again = [] if reason else [("first", 1, False)]
    assert runs == [("first", 0, True), ("second", 0, False), *again]


class _Counting(_Reversed):
    """A runner that counts the jobs of each function."""

    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self.jobs = 0

    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        self.jobs += len(jobs)
        yield from super().run(jobs, schema)


@pytest.mark.slow
def test_an_interrupted_generation_resumes_where_it_stopped(runner: Runner, tmp_path: Path) -> None:
    runtime, counting = runtime_of(runner), _Counting(runner)

    def found(store: str, wanted: int) -> list[tuple[int, str]]:
        checks = CheckStore(tmp_path / store, runtime)
        return kept(list(generate(counting, draws(3, FAST, SOME), wanted, checks, batch=3)))

    whole = found("whole", 5)
    needed, counting.jobs = counting.jobs, 0
    assert found("stopped", 1) == whole[:1]
    first, counting.jobs = counting.jobs, 0
    assert found("stopped", 5) == whole
    assert 0 < first < needed
    assert first + counting.jobs == needed
    counting.jobs = 0
    assert found("stopped", 5) == whole
    assert counting.jobs == 0


class _Losing(ExecutorRunner):
    """A runner on a Dask cluster that kills one of its workers after the first result."""

    victim = 0  # process to kill, once

    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        for result in super().run(jobs, schema):
            if self.victim:
                os.kill(self.victim, signal.SIGKILL)
                self.victim = 0
            yield result


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # warnings of Dask's own
def test_a_cluster_keeps_the_same_programs_although_a_worker_is_killed(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broken_convnets.sandbox.executor_runner.CHUNK", 2)
    runtime = runtime_of(runner)

    def found(name: str, used: Runner) -> list[tuple[int, str]]:
        checks = CheckStore(tmp_path / name, runtime)
        return kept(list(generate(used, draws(3, FAST, SOME), 6, checks)))

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=tmp_path
        ) as cluster,
        Client(cluster) as client,
        _Losing(client.get_executor(retries=3), with_torch(patient_limits(1, []))) as lost,
    ):
        lost.victim = next(iter(client.run(os.getpid).values()))
        there = found("there", lost)
        assert lost.victim == 0
    assert len(there) == 6
    assert there == found("here", runner)


@pytest.mark.slow
def test_the_command_writes_a_corpus_that_lint_accepts(harness: Command, tmp_path: Path) -> None:
    out = tmp_path / "wild"
    options = ["--models", "autoencoder", "--classes", ",".join(SOME), "--seed", "3"]
    done = harness("wild", *options, "--count", "3", "--out", str(out))
    assert done.code == 0
    assert "3 of 3 programs verified" in done.out
    corpus = load(out)
    assert lint(corpus) == []
    assert unformatted(corpus) == []
    assert sorted(name.partition("/")[0] for name in corpus.ids) == ["memory", "module", "shape"]
    refused = harness("wild", *options, "--out", str(out))
    assert refused.code == 2
    assert "is not an empty folder" in refused.err


def test_the_limits_leave_time_for_a_busy_machine() -> None:
    limits = patient_limits(2, ["hidden"])
    assert limits.seconds >= 100
    assert limits.wall_seconds >= 3600
    assert (limits.workers, limits.hidden) == (2, ["hidden"])


@pytest.mark.parametrize("module", ["variants", "programs", "wild"])
def test_every_command_that_chooses_programs_has_these_limits(module: str) -> None:
    found = import_module(f"broken_convnets.commands.{module}.command")
    text = Path(str(found.__file__)).read_text(encoding="utf-8")
    assert "patient_limits(" in text
    assert "Limits(" not in text


def test_the_executor_runs_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = argparse.ArgumentParser()
    command.add_options(parser)
    opened = []
    monkeypatch.setattr(command, "load_executor", lambda spec: spec)
    monkeypatch.setattr(command, "ExecutorRunner", lambda *found: opened.append(found))
    command.open_runner_for(parser.parse_args(["--executor", "cluster:executor"]))
    ((executor, limits),) = opened
    assert executor == "cluster:executor"
    assert limits.preload
