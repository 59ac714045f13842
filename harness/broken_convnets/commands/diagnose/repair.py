"""Find a fix: try the candidates of each finding in the sandbox, and accept what holds.

A change is accepted if the program raises nothing, the finding is gone, no new finding of
severity error appears, and there are no fewer forward passes, backward passes and optimizer steps.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Candidate, NotChecked, Severity
from broken_convnets.commands.diagnose.trial import TRIAL, TrialReport, TrialRequest
from broken_convnets.sandbox.job import Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.findings import Finding
    from broken_convnets.observe.user_program import UserProgram
    from broken_convnets.sandbox.runner import Runner

FIXES = "whether the fixes work"  # as an entry of what was not checked
FINDINGS = 3  # for which fixes are tried
ALTERNATIVES = 3  # accepted fixes of one finding that are shown
SECOND_STEPS = 12  # candidates for a second mistake that a first change uncovers


@dataclass(frozen=True)
class Fix:
    """A change of the user's files; `verified` if the program was run with it and accepted."""

    patch: Patch
    verified: bool
    note: str = ""


@dataclass
class Repair:
    """Tries candidates on one program within a budget of seconds on the clock."""

    runner: Runner
    program: UserProgram
    directory: str
    seconds: float
    trials: int = field(default=0, init=False)
    not_checked: list[NotChecked] = field(default_factory=list, init=False)
    _started: float = field(default_factory=time.monotonic, init=False)

    def fixes(self, findings: Iterable[Finding]) -> dict[tuple[str, str], list[Fix]]:
        """Return the fixes of each finding by its identity, verified ones first.

        Nothing is verified where the unchanged program does not show its finding again.
        """
        wanted = [f for f in findings if f.severity is Severity.ERROR and f.candidates][:FINDINGS]
        if not wanted:
            return {}
        (baseline,) = self._run([{}])
        if baseline is None:
            self._cannot_verify("run again, unchanged, the program was stopped before its end")
        found: dict[tuple[str, str], list[Fix]] = {}
        for finding in wanted:
            accepted = self._accepted(finding, baseline) if baseline else []
            found[finding.identity] = accepted or unverified(finding)
        return found

    def _accepted(self, finding: Finding, baseline: TrialReport) -> list[Fix]:
        if not _shows(baseline, finding):
            self._cannot_verify(f"run again, unchanged, the program does not show {finding.rule}")
            return []
        accepted: list[Fix] = []
        uncovered: list[Patch] = []
        for group in _by_rank(finding.candidates):
            reports = self._run([candidate.patch for candidate in group])
            for candidate, report in zip(group, reports, strict=True):
                if report and accepts(baseline, report, finding):
                    accepted.append(Fix(candidate.patch, verified=True, note=candidate.note))
                elif report and _goes_further(baseline, report):
                    uncovered += [{**candidate.patch, **patch} for patch in _patches_of(report)]
            if accepted or self._time_is_up:
                break
        if not accepted and uncovered:
            accepted = self._second_step(finding, baseline, uncovered[:SECOND_STEPS])
        return accepted[:ALTERNATIVES]

    def _second_step(
        self, finding: Finding, baseline: TrialReport, patches: list[Patch]
    ) -> list[Fix]:
        reports = self._run(patches)
        return [
            Fix(patch, verified=True)
            for patch, report in zip(patches, reports, strict=True)
            if report and accepts(baseline, report, finding)
        ]

    def _cannot_verify(self, why: str) -> None:
        self.not_checked.append(NotChecked(FIXES, why))

    @property
    def _time_is_up(self) -> bool:
        return time.monotonic() - self._started > self.seconds

    def _run(self, patches: Sequence[Patch]) -> list[TrialReport | None]:
        """Return a report for each patch; None where the process ended without one."""
        if self._time_is_up:
            return [None] * len(patches)
        jobs = [
            Job(number, TRIAL, TrialRequest(self.program, self.directory, patch))
            for number, patch in enumerate(patches)
        ]
        self.trials += len(jobs)
        reports: list[TrialReport | None] = [None] * len(jobs)
        for result in self.runner.run(jobs, TrialReport):
            reports[result.job] = result.answer
        return reports


def accepts(baseline: TrialReport, report: TrialReport, finding: Finding) -> bool:
    """Return whether a changed program is better than `baseline` and no worse in anything."""
    if report.raised or _shows(report, finding):
        return False
    before, after = _errors(baseline), _errors(report)
    return (
        not after - before
        and report.forward_passes >= baseline.forward_passes
        and report.backward_passes >= baseline.backward_passes
        and report.optimizer_steps >= baseline.optimizer_steps
    )


def _errors(report: TrialReport) -> Counter[str]:
    return Counter(f.rule for f in report.findings if f.severity is Severity.ERROR)


def _shows(report: TrialReport, finding: Finding) -> bool:
    return any((one.rule, one.subject) == finding.identity for one in report.findings)


def _goes_further(baseline: TrialReport, report: TrialReport) -> bool:
    """Return whether a program that failed fails later, or elsewhere, after a change."""
    different = bool(report.raised) and report.raised != baseline.raised
    return bool(baseline.raised) and different and report.operators >= baseline.operators


def _patches_of(report: TrialReport) -> list[Patch]:
    return [patch for finding in report.findings for patch in finding.patches]


def _by_rank(candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    ranks = sorted({candidate.rank for candidate in candidates})
    for rank in ranks:
        yield [candidate for candidate in candidates if candidate.rank == rank]


def unverified(finding: Finding) -> list[Fix]:
    """Return the candidate that an expert would write first."""
    best = min(finding.candidates, key=lambda candidate: candidate.rank)
    return [Fix(best.patch, verified=False, note=best.note)]
