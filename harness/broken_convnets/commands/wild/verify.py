"""Run healthy and broken programs, and keep those that work and fail as their class says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.wild.checks import broken_check, original_check
from broken_convnets.commands.wild.declaring import case_for
from broken_convnets.commands.wild.drafts import Draft, Draws, broken_source
from broken_convnets.commands.wild.lines_job import EXECUTED_LINES, ExecutedLines, LinesRequest
from broken_convnets.commands.wild.store import BrokenCheck, CheckStore, OriginalCheck
from broken_convnets.observe.facts import Observation, Run, RunRequest
from broken_convnets.observe.runner import OBSERVE
from broken_convnets.sandbox.job import Job
from broken_convnets.vocabulary import STRUCTURAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.corpus.entries import Case
    from broken_convnets.corpus.spec import Healthy
    from broken_convnets.sandbox.runner import Runner

SEEDS = 2  # runs of each program
BATCH = 32  # drafts that are drawn before the first of them runs
NO_SITE = "no site: no place of the mistake runs"
MAX_FACTOR = 3  # drafts per requested program before giving up


@dataclass(frozen=True)
class Checked:
    """A draft after its verification: the case, or the reason why it is rejected."""

    draft: Draft
    case: Case | None
    reason: str = ""

    @property
    def exists(self) -> bool:
        """Whether there is a broken program: the mistake fits into the healthy one."""
        return self.reason != NO_SITE


@dataclass(frozen=True)
class Program:
    """A program to run; `full` if the laws of structure are judged too."""

    source: str
    full: bool


@dataclass(frozen=True)
class Candidate:
    """A broken program, and what its healthy one declares."""

    draft: Draft
    source: str
    healthy: Healthy

    @property
    def key(self) -> tuple[str, str]:
        """What the outcome depends on, besides the healthy program."""
        return self.draft.fault.case, self.source

    @property
    def needs_structure(self) -> bool:
        """Whether the fault class violates a law of structure."""
        return bool(STRUCTURAL & self.draft.fault.violates)


def generate(runner: Runner, draws: Draws, wanted: int, store: CheckStore) -> Iterator[Checked]:
    """Yield drafts in the order of their numbers until `wanted` of them are verified.

    Which ones depends on nothing but the draws: neither on the order in which programs finish,
    nor on `wanted`. Stops after MAX_FACTOR times `wanted` drafts.
    """
    missing, number = wanted, 0
    seen: set[str] = set()
    while missing and number < MAX_FACTOR * wanted:
        size = min(BATCH, missing)
        drafts = [draws.draft(one) for one in range(number, number + size)]
        number += size
        found = _Batch(runner, store, [one for one in drafts if one is not None]).checked(seen)
        for checked in found:
            yield checked
            missing -= checked.case is not None


class _Batch:
    """The verification of some drafts."""

    def __init__(self, runner: Runner, store: CheckStore, drafts: list[Draft]) -> None:
        self._runner, self._store, self._drafts = runner, store, drafts

    def checked(self, seen: set[str]) -> Iterator[Checked]:
        """Yield the drafts in their order; programs that are in `seen` are rejected."""
        originals = self._originals()
        reasons: dict[int, str] = {}
        candidates: list[Candidate] = []
        for draft in self._drafts:
            check = _first_rejection(originals, draft) or originals[draft.original.source]
            source = "" if check.reason else broken_source(draft, check)
            if check.healthy is None or not source or source in seen:
                repeated = "repeated: the same program" if source else NO_SITE
                reasons[draft.number] = check.reason or repeated
            else:
                candidates.append(Candidate(draft, source, check.healthy))
                seen.add(source)
        cases: dict[int, Case] = {}
        for one, outcome in zip(candidates, self._outcomes(candidates), strict=True):
            reasons[one.draft.number] = outcome.reason
            if outcome.broken:
                cases[one.draft.number] = case_for(one.draft, one.source, outcome, one.healthy)
        for draft in self._drafts:
            yield Checked(draft, cases.get(draft.number), reasons[draft.number])

    def _originals(self) -> dict[str, OriginalCheck]:
        """Return the check of each healthy program, and of the same network with no run.

        Structure does not depend on the run, and torch.export costs more than all other laws.
        """
        plain = {draft.plain for draft in self._drafts}
        sources = dict.fromkeys(
            source for draft in self._drafts for source in (draft.plain, draft.original.source)
        )
        stored = {source: self._store.get(OriginalCheck, source) for source in sources}
        checks = {source: check for source, check in stored.items() if check is not None}
        new = [source for source in sources if source not in checks]
        runs = self._observe([Program(source, full=source in plain) for source in new])
        lines = self._lines(new)
        for source, runs_of_source, executed in zip(new, runs, lines, strict=True):
            checks[source] = original_check(runs_of_source, executed)
            self._store.put(checks[source], source)
        return checks

    def _outcomes(self, candidates: Sequence[Candidate]) -> list[BrokenCheck]:
        """Return the check of each broken program, in their order."""
        checks = [self._store.get(BrokenCheck, *one.key) for one in candidates]
        new = [at for at, check in enumerate(checks) if check is None]
        programs = [Program(one.source, full=one.needs_structure) for one in candidates]
        for at, runs in zip(new, self._observe([programs[at] for at in new]), strict=True):
            one = candidates[at]
            checks[at] = found = broken_check(one.draft.fault, one.healthy, runs)
            self._store.put(found, *one.key)
        return [check for check in checks if check is not None]

    def _observe(self, programs: Sequence[Program]) -> list[list[Run]]:
        """Return the runs of each program, in the order of the seeds."""
        jobs = [
            Job(
                at * SEEDS + seed,
                OBSERVE,
                RunRequest(one.source, seed, full=one.full and seed == 0),
            )
            for at, one in enumerate(programs)
            for seed in range(SEEDS)
        ]
        runs = {run.job: run for run in self._runner.run(jobs, Observation)} if jobs else {}
        return [[runs[at * SEEDS + seed] for seed in range(SEEDS)] for at in range(len(programs))]

    def _lines(self, sources: Sequence[str]) -> list[list[int]]:
        """Return the lines of each program that run; none if it cannot run."""
        jobs = [Job(at, EXECUTED_LINES, LinesRequest(source)) for at, source in enumerate(sources)]
        found: list[list[int]] = [[] for _ in sources]
        for result in self._runner.run(jobs, ExecutedLines) if jobs else ():
            found[result.job] = result.answer.lines if result.answer else []
        return found


def _first_rejection(checks: dict[str, OriginalCheck], draft: Draft) -> OriginalCheck | None:
    found = (checks[draft.plain], checks[draft.original.source])
    return next((check for check in found if check.reason), None)
