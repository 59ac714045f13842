"""Judge the fix that a tool offers: by the laws that judge what learners write, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.learn.checks import APPLIES_HERE
from broken_convnets.commands.score.patch import PatchError, apply
from broken_convnets.commands.score.workspace import file_name

if TYPE_CHECKING:
    from broken_convnets.commands.learn.grader import Grader
    from broken_convnets.commands.learn.grading import GradingResult
    from broken_convnets.commands.score.protocol import Diagnosis
    from broken_convnets.corpus.entries import Case

NAME = file_name("fixed")  # what tracebacks call a mended program


def offered(diagnosis: Diagnosis) -> str | None:
    """Return the first fix of a diagnosis; None where it has none."""
    return next((finding.fix for finding in diagnosis.findings if finding.fix), None)


def repaired(grader: Grader, case: Case, diagnosis: Diagnosis) -> bool | None:
    """Return whether the first fix that a tool offers for a broken program is a right one.

    None where it offers none, and where the case is for other releases of torch. Raises
    RunnerError where our own fix does not run here.
    """
    fix = offered(diagnosis)
    if fix is None:
        return None
    try:
        result = judge(grader, case, fix)
    except PatchError:
        return False
    if any(violation.law == APPLIES_HERE.name for violation in result.violations):
        return None
    return result.solved


def judge(grader: Grader, case: Case, fix: str) -> GradingResult:
    """Return what the program obeys once a fix (a unified diff) is applied.

    Raises PatchError where the diff does not fit.
    """
    return grader.grade(case, apply(fix, case.broken), NAME)
