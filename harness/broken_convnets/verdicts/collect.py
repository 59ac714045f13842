"""Run a corpus: every program under several seeds in shuffled order, then the verdicts."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broken_convnets.corpus.lint import check
from broken_convnets.errors import DeviceError
from broken_convnets.observe.facts import Observation, Run, RunRequest, RuntimeInfo
from broken_convnets.observe.runner import OBSERVE
from broken_convnets.sandbox.job import Job
from broken_convnets.verdicts import records
from broken_convnets.verdicts.declared_laws import violated_laws
from broken_convnets.verdicts.judge import Judgement, Mismatch, Runs, judge
from broken_convnets.vocabulary import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broken_convnets.corpus.entries import Corpus
    from broken_convnets.sandbox.runner import Runner

SEEDS = 3


@dataclass(frozen=True)
class Outcome:
    """The verdict on one entry on one device, the reasons, and the record of its runs."""

    id: str
    kind: str  # pair or control
    device: str
    judgement: Judgement
    record: records.Record
    forward_ns: float | None = None
    drift: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """The verdict alone."""
        return self.judgement.verdict


@dataclass(frozen=True)
class Plan:
    """The programs to run, how often and where; `jobs` are in the order in which they start."""

    corpus: Corpus
    ids: list[str]
    devices: list[str]
    jobs: list[Job]
    places: list[tuple[str, str, str]]  # by job number: id, device, side


def choose_devices(wanted: str, runtime: RuntimeInfo) -> tuple[list[str], dict[str, str]]:
    """Return the devices to run on, and the reason for each one that is left out.

    `wanted` is `auto` or names separated by commas. Raises DeviceError where a device is
    named that is unknown or not available.
    """
    if wanted == "auto":
        missing = {name: reason for name, reason in runtime.devices.items() if reason}
        return [name for name in runtime.devices if name not in missing], missing
    names = list(dict.fromkeys(wanted.split(",")))
    for name in names:
        if name not in runtime.devices:
            known = ", ".join(["auto", *runtime.devices])
            message = f"--device {name!r} is unknown: choose from {known}"
            raise DeviceError(message)
        if runtime.devices[name]:
            message = f"--device {name} cannot be used here: {runtime.devices[name]}"
            raise DeviceError(message)
    return names, {name: "not asked for" for name in runtime.devices if name not in names}


def plan(corpus: Corpus, ids: list[str], devices: list[str], repeat: int = 1) -> Plan:
    """Return the jobs in random order: `repeat` x SEEDS runs of each side."""
    jobs: list[Job] = []
    places: list[tuple[str, str, str]] = []
    for name in ids:
        entry = corpus.entries.get(name)
        if entry is None or check(entry):
            continue
        for device in devices:
            for side, source in entry.programs().items():
                for seed in range(SEEDS * repeat):
                    jobs.append(observation_job(len(jobs), source, seed, device))
                    places.append((name, device, side))
    random.shuffle(jobs)
    return Plan(corpus, ids, devices, jobs, places)


def observation_job(number: int, source: str, seed: int, device: str) -> Job:
    """Return a run of a program. What it must not depend on differs by seed.

    The first run judges the laws of structure too, the second one has the program as `__main__`,
    the third one has another order of hashes and other addresses, where the runner varies them.
    """
    request = RunRequest(source, seed, device, full=seed == 0, as_main=seed % SEEDS == 1)
    return Job(number, OBSERVE, request, variant=int(seed % SEEDS == 2))  # noqa: PLR2004  (the third)


class Results:
    """The runs of a plan that have ended."""

    def __init__(self, layout: Plan) -> None:
        """Start without runs."""
        self._plan = layout
        self._endings: dict[tuple[str, str], dict[str, list[tuple[int, Run]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._expected: dict[tuple[str, str], int] = defaultdict(int)
        for name, device, _ in layout.places:
            self._expected[name, device] += 1
        self._seeds = {job.number: job.payload.seed for job in layout.jobs}

    def collect(self, runner: Runner, on_progress: Callable[[Run], None] = lambda _: None) -> None:
        """Run every job of the plan; what an interruption leaves can be used."""
        for run in runner.run(self._plan.jobs, Observation):
            self._add(run)
            on_progress(run)

    def _add(self, run: Run) -> None:
        name, device, side = self._plan.places[run.job]
        self._endings[name, device][side].append((self._seeds[run.job], run))

    def runs(self, name: str, device: str) -> Runs:
        """Return an entry's runs by side, in the order of the seeds."""
        sides = self._endings[name, device]
        return {
            side: [ending for _, ending in sorted(pairs, key=lambda pair: pair[0])]
            for side, pairs in sides.items()
        }

    def outcomes(self, baselines: list[records.Baseline], runtime: RuntimeInfo) -> list[Outcome]:
        """Return the outcome of every entry that is complete, in the order of the ids."""
        found = []
        for name in self._plan.ids:
            for device in self._plan.devices:
                expected = self._expected.get((name, device))
                if expected is None:
                    found.append(_invalid(self._plan.corpus, name, device))
                    continue
                runs = self.runs(name, device)
                if sum(map(len, runs.values())) == expected:
                    baseline = records.nearest(baselines, runtime.torch, device)
                    found.append(self._outcome(name, device, runs, baseline, runtime.torch))
        return found

    def _outcome(
        self, name: str, device: str, runs: Runs, baseline: records.Baseline | None, release: str
    ) -> Outcome:
        entry = self._plan.corpus.entries[name]
        judgement = judge(entry, runs, device, release)
        first = {side: endings[0].answer for side, endings in runs.items()}
        sides = {
            side: records.side(seen, violated_laws(entry.healthy, seen) if seen else set())
            for side, seen in first.items()
        }
        record = records.Record(judgement.verdict, **sides)
        fixed = first["fixed"]
        return Outcome(
            name,
            entry.kind,
            device,
            judgement,
            record,
            fixed.forward_ns if fixed else None,
            records.drift(baseline.entries.get(name), record) if baseline else [],
        )


def _invalid(corpus: Corpus, name: str, device: str) -> Outcome:
    entry = corpus.entries.get(name)
    problems = [problem for problem in corpus.problems if problem.id == name]
    problems += check(entry) if entry else []
    wrong = [
        Mismatch(problem.file, "follows the case format", problem.message) for problem in problems
    ]
    control = entry.kind == "control" if entry else problems[0].file.startswith("controls/")
    record = records.Record(Verdict.INVALID)
    kind = "control" if control else "pair"
    return Outcome(name, kind, device, Judgement(Verdict.INVALID, wrong), record)


def all_as_declared(outcomes: Iterable[Outcome]) -> bool:
    """Return whether every outcome is as declared."""
    return all(outcome.verdict.as_declared for outcome in outcomes)
