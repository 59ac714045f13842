"""Run a changed program in a process of its own, under the recorder, and report what it did."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.diagnose.examine import examine_run
from broken_convnets.commands.diagnose.findings import Severity
from broken_convnets.observe.user_program import UserProgram

TRIAL = "broken_convnets.commands.diagnose.trial:run_trial"  # TrialRequest -> TrialReport

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.passes import ForwardPass


class TrialRequest(Struct, frozen=True):
    """A program to run in `directory` with the text of some files replaced in memory."""

    program: UserProgram
    directory: str
    texts: dict[str, str] = {}


class TrialFinding(Struct, frozen=True):
    """A finding of a trial: what identifies it, and its candidate patches in order of rank."""

    rule: str
    subject: str
    severity: Severity
    patches: list[dict[str, str]] = []


class TrialReport(Struct, frozen=True):
    """What a changed program did. `raised` is the exception that left it, in a line."""

    raised: str
    findings: list[TrialFinding]
    operators: int
    forward_passes: int  # that ended
    backward_passes: int
    optimizer_steps: int


def run_trial(request: TrialRequest) -> TrialReport:
    """Run, record and judge; what the program prints is dropped by the sandbox."""
    os.chdir(request.directory)
    sys.path.insert(0, request.directory)
    run = examine_run(request.program, request.texts)
    record = run.evidence.record
    return TrialReport(
        raised=run.raised,
        findings=[
            TrialFinding(
                finding.rule,
                finding.subject,
                finding.severity,
                [candidate.patch for candidate in sorted(finding.candidates, key=_rank)],
            )
            for finding in run.findings.sorted()
        ],
        operators=record.operators.count,
        forward_passes=record.passes.count - sum(map(_has_failed, record.passes)),
        backward_passes=record.backward_passes.count,
        optimizer_steps=record.optimizer_steps.count,
    )


def _rank(candidate: object) -> int:
    return int(getattr(candidate, "rank", 0))


def _has_failed(forward: ForwardPass) -> bool:
    """Return whether an exception has ended a pass."""
    return forward.operators_at_end is None
