"""Check the fix that a tool offers, with the same laws that check a learner's fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.learn.checks import APPLIES_HERE
from broken_convnets.commands.learn.repair import grade_repair
from broken_convnets.commands.score.programs.patch import PatchError, apply_patch
from broken_convnets.commands.score.programs.workspace import file_name

if TYPE_CHECKING:
    from broken_convnets.commands.learn.grader import Grader
    from broken_convnets.commands.learn.grading_result import GradingResult
    from broken_convnets.commands.score.protocol.messages import Diagnosis
    from broken_convnets.corpus.entries import Case

NAME = file_name("fixed")  # the file name in tracebacks


def first_fix(diagnosis: Diagnosis) -> str | None:
    """Return the first fix of a diagnosis, or None."""
    return next((finding.fix for finding in diagnosis.findings if finding.fix), None)


def fix_works(grader: Grader, case: Case, diagnosis: Diagnosis) -> bool | None:
    """Return whether the first fix that a tool offers for a broken program works.

    None if the tool offers no fix or the case does not apply to this release of torch. Raises
    RunnerError if the fix of the corpus does not run here.
    """
    fix = first_fix(diagnosis)
    if fix is None:
        return None
    try:
        result = check_fix(grader, case, fix)
    except PatchError:
        return False
    if any(violation.law == APPLIES_HERE.name for violation in result.violations):
        return None
    return result.solved


def check_fix(grader: Grader, case: Case, fix: str) -> GradingResult:
    """Return which laws the program obeys with `fix`, a unified diff, applied.

    Raises PatchError if the diff does not apply.
    """
    return grade_repair(grader, case, apply_patch(fix, case.broken), NAME)
