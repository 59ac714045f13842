"""Score one answer by the laws, and by comparison with the true fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.learn.judge import RepairVerdict
from broken_convnets.commands.score.metrics.credit import Credit, credits_of
from broken_convnets.commands.score.predictions import diagnosis_of_patch
from broken_convnets.commands.score.programs.edit import edit_of, with_lines_of_fixes
from broken_convnets.commands.score.programs.patch import PatchError, apply_patch
from broken_convnets.commands.score.programs.program import ProgramRole
from broken_convnets.commands.score.programs.tool_result import ToolResult
from broken_convnets.commands.score.protocol.messages import Need
from broken_convnets.corpus.diff import same_syntax
from broken_convnets.corpus.entries import Case
from broken_convnets.inspect_task.answers import UNCHANGED, read_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.commands.learn.judge import Judgement
    from broken_convnets.commands.score.programs.program import CorpusProgram
    from broken_convnets.corpus.entries import Entry

    JudgeCase = Callable[[Case, str], Judgement]

NO_ANSWER = "the answer is neither a diff nor NOTHING"
NO_CHANGE = "the diff changes nothing but comments and layout"


@dataclass(frozen=True)
class Grade:
    """The scores of one answer, from 0 to 1; None for a score that the program does not have.

    `correct` is 1 for a broken program that is repaired, and for a healthy one that is answered
    with NOTHING. `repaired`, `cause_line` and `edit_precision` are scores of broken programs,
    `harmless` of healthy ones. `edit_precision` is None without a diff that applies. `reason`
    says in one line why the answer is not correct, and is empty if it is.
    """

    correct: float
    repaired: float | None = None
    harmless: float | None = None
    cause_line: float | None = None
    edit_precision: float | None = None
    reason: str = ""


def grade(program: CorpusProgram, entry: Entry, text: str, judge: JudgeCase) -> Grade:
    """Return the scores of the answer `text` about `program`, which is a program of `entry`.

    `judge` runs the changed program, in a sandbox. Raises RunnerError if it cannot.
    """
    answer = read_answer(text)
    if program.role is ProgramRole.BROKEN and isinstance(entry, Case):
        return _of_broken(program, entry, answer, judge)
    return _of_healthy(program, entry, answer, judge)


def _of_broken(program: CorpusProgram, case: Case, patch: str | None, judge: JudgeCase) -> Grade:
    if not patch:
        reason = NO_ANSWER if patch is None else "the program is broken"
        return _missed(reason)
    try:
        patched = apply_patch(patch, program.source)
    except PatchError as error:
        return _missed(str(error))
    if same_syntax(patched, program.source):
        return _missed(NO_CHANGE, edit_precision=0.0)
    judgement = judge(case, patched)
    if judgement.verdict is RepairVerdict.REFUSED:
        return _missed(judgement.reason, edit_precision=0.0)
    edit = edit_of(patch, case.broken, case.fixed)
    diagnosis = with_lines_of_fixes(diagnosis_of_patch(program.id, patch), program.source)
    earned = credits_of(ToolResult(program, diagnosis, 0.0, judgement.ok, edit), {Need.SOURCE})
    repaired = float(Credit.FIXED in earned)
    return Grade(
        correct=repaired,
        repaired=repaired,
        cause_line=float(Credit.LOCATED in earned),
        edit_precision=edit.precision if edit else None,
        reason=judgement.reason,
    )


def _missed(reason: str, edit_precision: float | None = None) -> Grade:
    return Grade(0.0, 0.0, cause_line=0.0, edit_precision=edit_precision, reason=reason)


def _of_healthy(program: CorpusProgram, entry: Entry, patch: str | None, judge: JudgeCase) -> Grade:
    """Grade an answer about a healthy program: a diff may be harmless, but it is a false alarm."""
    if patch == UNCHANGED:
        return Grade(1.0, harmless=1.0)
    if patch is None:
        return Grade(0.0, harmless=0.0, reason=NO_ANSWER)
    try:
        patched = apply_patch(patch, program.source)
    except PatchError as error:
        return Grade(0.0, harmless=0.0, reason=str(error))
    if same_syntax(patched, program.source):
        return Grade(0.0, harmless=1.0, reason=f"the program is healthy; {NO_CHANGE}")
    if not isinstance(entry, Case):
        return Grade(0.0, harmless=0.0, reason="the program is healthy, and the diff changes it")
    judgement = judge(entry, patched)
    reason = judgement.reason or "the program is healthy, and the diff leaves it working"
    return Grade(0.0, harmless=float(judgement.ok), reason=reason)
