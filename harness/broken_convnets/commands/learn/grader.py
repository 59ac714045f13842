"""Run a learner's program and its judges in the sandbox, and say what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from broken_convnets.commands.learn.editable_parts import judged
from broken_convnets.commands.learn.facts import (
    OBSERVE_FOR_LEARNER,
    LearnerFacts,
    LearnerObservation,
    LearnerRequest,
)
from broken_convnets.commands.learn.grading import Result, breaches, failure, is_advice, not_here
from broken_convnets.errors import RunnerError
from broken_convnets.observe.facts import Observation, RunRequest
from broken_convnets.observe.runner import OBSERVE, runtime_of
from broken_convnets.sandbox.job import Job, JobResult
from broken_convnets.verdicts.collect import SEEDS
from broken_convnets.verdicts.layer_lines import layer_line

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Case
    from broken_convnets.sandbox.runner import Runner

DEVICE = "cpu"


class Examiner:
    """Examines programs one after another on one runner; runs each fix once.

    Variants of a case share its id: a reference is known by its text.
    """

    def __init__(self, runner: Runner) -> None:
        """Use a runner that is open."""
        self._runner = runner
        self._references: dict[str, LearnerObservation] = {}
        self._release = runtime_of(runner).torch

    def examine(self, case: Case, source: str, name: str) -> Result:
        """Judge `source`, which tracebacks call `name`, as a fix of `case`.

        Raises RunnerError where our own fix does not run here.
        """
        release = self._release
        if not _is_here(case, release):
            return Result(case.id, solved=False, breaches=[not_here(release)])
        contract = judged(case, source)
        own = self._first(source, name)
        restored = own if contract.source == source else self._first(contract.source, name)
        failed = failure(own.run) or failure(restored.run)
        found = []
        if not failed:
            runs = [restored.run, *self._others(contract.source)]
            failed = next((text for text in map(failure, runs) if text), "")
            if not failed:
                found = breaches(case, contract, runs, restored.facts, self._reference(case))
        wrong = [breach for breach in found if not is_advice(case, breach)]
        shown = own if failure(own.run) else restored
        seen, facts = shown.run.answer, shown.facts
        return Result(
            id=case.id,
            solved=not failed and not wrong,
            failure=failed,
            traceback=facts.traceback,
            breaches=wrong,
            advice=[breach for breach in found if breach not in wrong],
            restored=contract.restored,
            printed=facts.printed,
            layers=[layer_line(layer) for layer in seen.layers] if seen else [],
        )

    def _first(self, source: str, name: str) -> _FirstRun:
        """Run under the first seed, with all that is asked once only."""
        job = Job(0, OBSERVE_FOR_LEARNER, LearnerRequest(source, name))
        (result,) = self._runner.run([job], LearnerObservation)
        seen = result.answer
        run = JobResult(0, result.status, result.detail, seen.observation if seen else None)
        return _FirstRun(run, seen.facts if seen else LearnerFacts())

    def _others(self, source: str) -> list[JobResult[Observation]]:
        jobs = [
            Job(seed, OBSERVE, RunRequest(source, seed, DEVICE, full=False))
            for seed in range(1, SEEDS)
        ]
        return sorted(self._runner.run(jobs, Observation), key=lambda result: result.job)

    def _reference(self, case: Case) -> LearnerObservation:
        if case.fixed not in self._references:
            first = self._first(case.fixed, f"{case.id}.py")
            seen = first.run.answer
            if seen is None or seen.raised:
                message = f"the fix of {case.id} does not run here: nothing can be compared with it"
                raise RunnerError(message)
            self._references[case.fixed] = LearnerObservation(seen, first.facts)
        return self._references[case.fixed]


@dataclass(frozen=True)
class _FirstRun:
    """The run under the first seed, with the facts for a learner."""

    run: JobResult[Observation]
    facts: LearnerFacts


def _is_here(case: Case, release: str) -> bool:
    """Return whether a case is declared to fail, and its fix to work, under a release of torch."""
    works = SpecifierSet(case.spec.torch or "").contains(release, prereleases=True)
    return works and case.spec.broken.on(DEVICE, release).fails
