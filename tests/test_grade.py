"""Answers of models are read strictly, and scored by the laws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.export.prompt import NOTHING, prompt_for
from broken_convnets.commands.learn.judge import Judge
from broken_convnets.commands.score.programs.patch import unified_diff
from broken_convnets.commands.score.programs.program import ProgramRole, program_of
from broken_convnets.corpus.diff import same_syntax
from broken_convnets.inspect_task.answers import UNCHANGED, read_answer
from broken_convnets.inspect_task.grade import NO_ANSWER, Grade, grade
from kit import BROKEN, HEALTHY, RAISES, Pair, Solo, case_of, control_of, patched
from other_programs import OTHER_PROGRAMS

if TYPE_CHECKING:
    from broken_convnets.corpus.entries import Entry
    from kit import Remembering

DIFF = unified_diff(BROKEN, HEALTHY, "net.py")
FENCED = f"It flattens too little.\n\n```diff\n{DIFF}```\n"
SWALLOWED = patched((f"        return {RAISES}", "        return torch.zeros(4, 5)"), source=BROKEN)
RELUS = patched(("torch.relu(", "torch.relu(0.5 * "), source=HEALTHY)
READS = f"{BROKEN}exec(open('/fixes/shape/pair.py').read())\n"
READS_AT_THE_CAUSE = patched((RAISES, "open('/fixes/shape/pair.py').read()"), source=BROKEN)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (DIFF, DIFF),
        (FENCED, DIFF),
        (FENCED.replace("\n", "\r\n"), DIFF),
        (f"```python\nx = 1\n```\n{FENCED}\nThat is all.", DIFF),
        (f"Is it {NOTHING}?\n{NOTHING}\n{FENCED}", DIFF),
        (NOTHING, UNCHANGED),
        (f"  **{NOTHING}.**\n\n", UNCHANGED),
        (f"It is correct.\n\nANSWER: {NOTHING}", UNCHANGED),
        (f"{FENCED}\nNo:\n{NOTHING}", UNCHANGED),
        ("", None),
        ("nothing", None),
        (f"There is {NOTHING} to change.", None),
        ("Flatten from dimension 1.", None),
        ("```python\nx = 1\n```", None),
    ],
)
def test_an_answer_is_a_diff_or_nothing(text: str, answer: str | None) -> None:
    assert read_answer(text) == answer


def test_the_prompt_depends_on_the_text_of_the_program_alone() -> None:
    assert prompt_for(BROKEN).replace(BROKEN, HEALTHY) == prompt_for(HEALTHY)


def test_the_same_syntax_differs_in_comments_and_layout_alone() -> None:
    assert same_syntax("x = 1", "# one\nx  =  (1)\n")
    assert not same_syntax("x = 1", "x = 2")
    assert not same_syntax("x = (", "x = ("), "neither is a program"


def _grade(role: ProgramRole, text: str, judge: Judge) -> Grade:
    entry: Entry = control_of(Solo()) if role is ProgramRole.CONTROL else case_of(Pair())
    return grade(program_of(entry, 0, role, "id"), entry, text, judge)


def _changed(source: str, changed: str) -> str:
    return f"```diff\n{unified_diff(source, changed, 'net.py')}```"


NEVER = Grade(0.0, repaired=0.0, cause_line=0.0)
CHANGED = Grade(0.0, repaired=0.0, cause_line=0.0, edit_precision=0.0)
OF_BROKEN = {
    "the fix": (FENCED, Grade(1.0, repaired=1.0, cause_line=1.0, edit_precision=1.0)),
    "nothing": (NOTHING, NEVER),
    "prose": ("Flatten from dimension 1.", NEVER),
    "a comment at the cause": (_changed(BROKEN, BROKEN.replace(RAISES, f"{RAISES}  # ?")), CHANGED),
    "a program that reads the fix": (_changed(BROKEN, READS), CHANGED),
    "one that reads it at the cause": (_changed(BROKEN, READS_AT_THE_CAUSE), CHANGED),
    "a diff of another program": (FENCED.replace("relu", "tanh"), NEVER),
    "an invalid program": (
        _changed(BROKEN, BROKEN.replace(RAISES, "(")),
        Grade(0.0, repaired=0.0, cause_line=1.0, edit_precision=0.5),
    ),
    "zeros": (
        _changed(BROKEN, SWALLOWED),
        Grade(0.0, repaired=0.0, cause_line=1.0, edit_precision=0.5),
    ),
}
OF_HEALTHY = {
    "nothing": (NOTHING, Grade(1.0, harmless=1.0)),
    "prose": ("It is correct.", Grade(0.0, harmless=0.0)),
    "a comment": (_changed(HEALTHY, f"# correct\n{HEALTHY}"), Grade(0.0, harmless=1.0)),
    "the mistake": (_changed(HEALTHY, BROKEN), Grade(0.0, harmless=0.0)),
    "a diff of another program": (FENCED, Grade(0.0, harmless=0.0)),
}


def _without_reason(graded: Grade) -> Grade:
    return Grade(
        graded.correct,
        graded.repaired,
        graded.harmless,
        graded.cause_line,
        graded.edit_precision,
    )


@pytest.mark.parametrize("answer", OF_BROKEN)
def test_an_answer_about_a_broken_program(answer: str, runner: Remembering) -> None:
    text, expected = OF_BROKEN[answer]
    graded = _grade(ProgramRole.BROKEN, text, Judge(runner=runner))
    assert _without_reason(graded) == expected
    assert bool(graded.reason) is not bool(expected.correct)
    assert "\n" not in graded.reason


@pytest.mark.parametrize("name", OTHER_PROGRAMS)
@pytest.mark.parametrize("role", [ProgramRole.BROKEN, ProgramRole.FIXED])
def test_another_program_in_its_place_earns_nothing(
    role: ProgramRole, name: str, runner: Remembering
) -> None:
    source = BROKEN if role is ProgramRole.BROKEN else HEALTHY
    graded = _grade(role, _changed(source, OTHER_PROGRAMS[name]), Judge(runner=runner))
    assert not any((graded.correct, graded.repaired, graded.harmless))
    assert "another program" in graded.reason


@pytest.mark.parametrize("answer", OF_HEALTHY)
@pytest.mark.parametrize("role", [ProgramRole.FIXED, ProgramRole.CONTROL])
def test_an_answer_about_a_healthy_program(
    answer: str, role: ProgramRole, runner: Remembering
) -> None:
    text, expected = OF_HEALTHY[answer]
    graded = _grade(role, text, Judge(runner=runner))
    assert _without_reason(graded) == expected
    assert bool(graded.reason) is not bool(expected.correct)


def test_a_change_that_leaves_a_fixed_version_working_is_harmless_and_a_false_alarm(
    runner: Remembering,
) -> None:
    text = _changed(HEALTHY, RELUS)
    judge = Judge(runner=runner)
    assert _without_reason(_grade(ProgramRole.FIXED, text, judge)) == Grade(0.0, harmless=1.0)
    changed = _grade(ProgramRole.CONTROL, text, judge)
    assert changed.harmless == 0.0, "nothing can judge a changed control"
    assert _grade(ProgramRole.CONTROL, "", judge).reason == NO_ANSWER
