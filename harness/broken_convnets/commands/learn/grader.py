"""Run a learner's program in the sandbox and grade it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from broken_convnets.commands.learn.editable_parts import graded_program
from broken_convnets.commands.learn.facts import (
    OBSERVE_FOR_LEARNER,
    LearnerFacts,
    LearnerObservation,
    LearnerRequest,
)
from broken_convnets.commands.learn.grading import violations, violations_by_seed
from broken_convnets.commands.learn.grading_result import (
    GradingResult,
    failure,
    is_advice,
    not_applicable,
    refused,
)
from broken_convnets.commands.learn.kept_mistake import kept_mistake
from broken_convnets.commands.learn.probes import with_probes
from broken_convnets.errors import RunnerError
from broken_convnets.observe.facts import Observation, ScriptRequest, ScriptRun
from broken_convnets.observe.runner import SCRIPT, runtime_of
from broken_convnets.sandbox.job import Job, JobResult, JobStatus
from broken_convnets.verdicts.collect import SEEDS, observation_job
from broken_convnets.verdicts.layer_lines import layer_line

if TYPE_CHECKING:
    from broken_convnets.commands.learn.editable_parts import GradedProgram
    from broken_convnets.commands.learn.grading_result import Violation
    from broken_convnets.corpus.entries import Case
    from broken_convnets.sandbox.runner import Runner

DEVICE = "cpu"
HANG_SECONDS = 2.0  # in which a script reaches the place where it hangs


class Grader:
    """Grades programs one after another on one runner; runs each reference fix once.

    Variants of a case have its id, so a reference is identified by its text.
    """

    def __init__(self, runner: Runner) -> None:
        """Use an open runner."""
        self._runner = runner
        self._references: dict[str, LearnerObservation] = {}
        self._release = runtime_of(runner).torch

    def grade(self, case: Case, source: str, name: str) -> GradingResult:
        """Grade `source` as a fix of `case`; tracebacks show `name` as its file name.

        A program that violates the contract for programs (`corpus/contract.py`) is not run.
        Raises RunnerError if our own fix does not run here.
        """
        if not _applies(case, self._release):
            return GradingResult(case.id, solved=False, violations=[not_applicable(self._release)])
        try:
            program = graded_program(case, source)
        except (RecursionError, MemoryError):  # of Python's own parser
            return refused(case, ["the program is nested too deeply to be checked"])
        if program.refused:
            return refused(case, program.refused)
        own = self._first_run(source, name)
        graded = own if program.source == source else self._first_run(program.source, name)
        failed = failure(own.run) or failure(graded.run)
        failed, found = (failed, []) if failed else self._compare(case, program, graded)
        wrong = [violation for violation in found if not is_advice(case, violation)]
        shown = own if failure(own.run) else graded
        observation = shown.run.answer
        return GradingResult(
            id=case.id,
            solved=not failed and not wrong,
            failure=failed,
            traceback=shown.facts.traceback,
            violations=wrong,
            advice=[violation for violation in found if violation not in wrong],
            restored=program.restored,
            printed=shown.facts.printed,
            layers=[layer_line(layer) for layer in observation.layers] if observation else [],
        )

    def _compare(
        self, case: Case, program: GradedProgram, graded: _FirstRun
    ) -> tuple[str, list[Violation]]:
        """Return how a program fails with another seed, or else what it violates."""
        if graded.run.answer is None:
            return "", []
        seen = LearnerObservation(graded.run.answer, graded.facts)
        found = violations(case, program.source, seen, self._reference(case))
        if not all(is_advice(case, violation) for violation in found):
            return "", found
        runs = [graded.run, *self._other_runs(program.source)]
        failed = next(filter(None, map(failure, runs)), "")
        if failed:
            return failed, []
        by_seed = violations_by_seed(case, seen.facts, runs)
        failed, kept = ("", []) if by_seed else kept_mistake(self._runner, case, program.source)
        return failed, [*found, *by_seed, *kept]

    def _first_run(self, source: str, name: str) -> _FirstRun:
        """Run with the first seed, which also collects the facts for a learner."""
        job = Job(0, OBSERVE_FOR_LEARNER, LearnerRequest(with_probes(source), name))
        (result,) = self._runner.run([job], LearnerObservation)
        seen = result.answer
        run = JobResult(0, result.status, result.detail, seen.observation if seen else None)
        if result.status is JobStatus.TIMEOUT:
            return _FirstRun(run, self._where_it_hangs(source, name))
        return _FirstRun(run, seen.facts if seen else LearnerFacts())

    def _where_it_hangs(self, source: str, name: str) -> LearnerFacts:
        """Run the program as a script, and return where it is after a while."""
        request = ScriptRequest(source, name, stop_after=HANG_SECONDS)
        (result,) = self._runner.run([Job(0, SCRIPT, request)], ScriptRun)
        script = result.answer or ScriptRun()
        return LearnerFacts(traceback=script.traceback, printed=script.printed)

    def _other_runs(self, source: str) -> list[JobResult[Observation]]:
        text = with_probes(source)
        jobs = [observation_job(seed, text, seed, DEVICE) for seed in range(1, SEEDS)]
        return sorted(self._runner.run(jobs, Observation), key=lambda result: result.job)

    def _reference(self, case: Case) -> LearnerObservation:
        if case.fixed not in self._references:
            first = self._first_run(case.fixed, f"{case.id}.py")
            seen = first.run.answer
            if seen is None or seen.raised:
                message = f"the fix of {case.id} does not run here, so nothing can be graded by it"
                raise RunnerError(message)
            self._references[case.fixed] = LearnerObservation(seen, first.facts)
        return self._references[case.fixed]


@dataclass(frozen=True)
class _FirstRun:
    """The run with the first seed, with the facts for a learner."""

    run: JobResult[Observation]
    facts: LearnerFacts


def _applies(case: Case, release: str) -> bool:
    """Return whether a case is declared to fail, and its fix to work, under a release of torch."""
    works = SpecifierSet(case.spec.torch or "").contains(release, prereleases=True)
    return works and case.spec.broken.on(DEVICE, release).fails
