"""Run a learner's program and its judges in the sandbox, and say what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from ..errors import RunnerError
from ..facts import Job
from ..proof.reproduce import SEEDS
from ..results.records import layer_line
from .check import Result, breaches, failure, is_advice, not_here
from .contract import judged

if TYPE_CHECKING:
    from ..corpus.entries import Case
    from ..facts import Ending, Observation
    from ..isolation.runner import Runner

DEVICE = "cpu"


class Examiner:
    """Examines programs one after another on one runner; runs each fix once.

    Variants of a case share its id: a reference is known by its text.
    """

    def __init__(self, runner: Runner) -> None:
        """Use a runner that is open."""
        self._runner = runner
        self._references: dict[str, Observation] = {}

    def examine(self, case: Case, source: str, name: str) -> Result:
        """Judge `source`, which tracebacks call `name`, as a fix of `case`.

        Raises RunnerError where our own fix does not run here.
        """
        release = self._runner.hello.torch
        if not _is_here(case, release):
            return Result(case.id, solved=False, breaches=[not_here(release)])
        contract = judged(case, source)
        own = self._first(source, name)
        ending = own if contract.source == source else self._first(contract.source, name)
        failed = failure(own) or failure(ending)
        found = []
        if not failed:
            endings = [ending, *self._others(contract.source)]
            failed = next((text for text in map(failure, endings) if text), "")
            if not failed:
                found = breaches(case, contract, endings, self._reference(case))
        wrong = [breach for breach in found if not is_advice(case, breach)]
        shown = own if failure(own) else ending
        seen = shown.observation
        lesson = seen.lesson if seen else None
        return Result(
            id=case.id,
            solved=not failed and not wrong,
            failure=failed,
            traceback=lesson.traceback if lesson else "",
            breaches=wrong,
            advice=[breach for breach in found if breach not in wrong],
            restored=contract.restored,
            printed=lesson.printed if lesson else "",
            layers=[layer_line(layer) for layer in seen.layers] if seen else [],
        )

    def _first(self, source: str, name: str) -> Ending:
        """Run under the first seed, with all that is asked once only."""
        return next(iter(self._runner.run([Job(0, source, 0, DEVICE, lesson=name)])))

    def _others(self, source: str) -> list[Ending]:
        jobs = [Job(seed, source, seed, DEVICE, first=False) for seed in range(1, SEEDS)]
        return sorted(self._runner.run(jobs), key=lambda ending: ending.job)

    def _reference(self, case: Case) -> Observation:
        if case.fixed not in self._references:
            seen = self._first(case.fixed, f"{case.id}.py").observation
            if seen is None or seen.raised:
                message = f"the fix of {case.id} does not run here: nothing can be compared with it"
                raise RunnerError(message)
            self._references[case.fixed] = seen
        return self._references[case.fixed]


def _is_here(case: Case, release: str) -> bool:
    """Return whether a case is declared to fail, and its fix to work, under a release of torch."""
    works = SpecifierSet(case.spec.torch or "").contains(release, prereleases=True)
    return works and case.spec.broken.on(DEVICE, release).fails
