"""Run one program under `diagnose`'s recorder and rules, in a process of the sandbox."""

from __future__ import annotations

import os
import random
import time

import torch
from broken_convnets.commands.diagnose.examine import examine_run
from broken_convnets.commands.diagnose.findings import Candidate, Finding, Location, Severity
from broken_convnets.observe.user_program import UserProgram
from msgspec import Struct

EXAMINE = f"{__name__}:examine"  # ProgramRequest -> ProgramReport


def configure() -> None:
    """Seed the fork server, so that programs without seeds are measured alike every time."""
    random.seed(0)
    torch.manual_seed(0)


class ProgramRequest(Struct, frozen=True):
    """A program to run in `directory`."""

    program: UserProgram
    directory: str


class CandidateReport(Struct, frozen=True):
    """A candidate fix: the new text of each file that it changes."""

    patch: dict[str, str]
    rank: int
    note: str


class FindingReport(Struct, frozen=True):
    """What is measured of a finding, and what is needed to verify its fixes."""

    rule: str
    subject: str
    severity: Severity
    kind: str
    cause: tuple[str, int] | None  # file and line
    candidates: list[CandidateReport]

    @property
    def finding(self) -> Finding:
        """The finding, without the texts for a reader."""
        return Finding(
            kind=self.kind,
            rule=self.rule,
            message="",
            evidence="",
            severity=self.severity,
            cause=Location(*self.cause) if self.cause else None,
            subject=self.subject,
            candidates=tuple(Candidate(one.patch, one.rank, one.note) for one in self.candidates),
        )


class ProgramReport(Struct, frozen=True):
    """One run. `raised` is the exception that left the program, in a line, or empty."""

    raised: str
    findings: list[FindingReport]  # the most certain first
    processor_seconds: float


def examine(request: ProgramRequest) -> ProgramReport:
    """Run and judge a program; the sandbox drops what it prints."""
    os.chdir(request.directory)
    started = time.process_time()
    run = examine_run(request.program)
    seconds = time.process_time() - started
    return ProgramReport(run.raised, [_report(one) for one in run.findings.sorted()], seconds)


def _report(finding: Finding) -> FindingReport:
    cause = finding.cause
    return FindingReport(
        finding.rule,
        finding.subject,
        finding.severity,
        finding.kind,
        (cause.file, cause.line) if cause else None,
        [CandidateReport(dict(one.patch), one.rank, one.note) for one in finding.candidates],
    )
