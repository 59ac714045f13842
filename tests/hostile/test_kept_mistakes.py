"""No repair that keeps its mistake is `repaired`; right fixes that look like one are.

The mistakes are hidden from the laws; comparing the program with both sides of its case finds them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from broken_convnets.commands.learn.checks import SAME_PARAMETERS
from broken_convnets.commands.learn.editable_parts import graded_program
from broken_convnets.commands.learn.grader import Grader
from broken_convnets.commands.learn.judge import Judge
from broken_convnets.commands.learn.kept_mistake import kept_mistake, pair_request
from broken_convnets.commands.learn.pair.facts import OBSERVE_PAIR, PairFacts, PairRequest
from broken_convnets.corpus.entries import Case, default_root, find
from broken_convnets.sandbox.job import Job
from kit import Remembering, patched, slow_but
from sick_pipelines import HEADS

sys.path.append(str(Path(__file__).parent))

import kept_mistakes_of_results
import kept_mistakes_of_steps
import kept_mistakes_of_training
import kept_mistakes_of_values
import right_fixes_of_runs
import right_fixes_of_values

Changed = tuple[str, list[tuple[str, str]]]

BY_KIND = (
    kept_mistakes_of_training.BY_KIND
    | kept_mistakes_of_steps.BY_KIND
    | kept_mistakes_of_results.BY_KIND
    | kept_mistakes_of_values.BY_KIND
)
BY_CASE = right_fixes_of_runs.BY_CASE | right_fixes_of_values.BY_CASE
KEPT = {name: repair for kind in BY_KIND.values() for name, repair in kind.items()}
RIGHT = {name: repair for case in BY_CASE.values() for name, repair in case.items()}
QUICK = {  # one of each kind of comparison, and what it says
    "the new head without gradients": "the run leaves the value of the case",
    "softplus of a loss without a floor": "times a number",
    "clipped to infinity": "larger than the clipped ones",
    "a floor of the rate": "has the learning rate of the case",
    "the sum detached at the end": "keeps the graph of earlier forward passes",
    "softplus of a small beta": "next to an affine function",
    "a rate of 1e-7": "by less than 0.001 of what the fix does",
    "copied back as data": "changes its inputs for a while",
    "the optimizer saved after two epochs": "a resumed training ends with",
    "raises for other numbers": "raises AssertionError where the fix does not",
}
HEADS_SCORED_WRONG = patched(("outputs.argmax(1)", "outputs.argmin(1)"), source=HEADS)
SAME_SCORE = "the score of outputs is that of the case"
QUICK_RIGHT = (
    "a rate of 1e-4",
    "tanh as activation",
    "sigmoid and bce",
    "clipped to the scale of the scaled gradients",
)


@pytest.fixture(scope="module")
def judge(runner: Remembering) -> Judge:
    return Judge(runner=runner)


def _program(changed: Changed) -> tuple[Case, str]:
    case_id, changes = changed
    case = find(default_root(), case_id)
    assert isinstance(case, Case)
    return case, patched(*changes, source=case.broken)


def _kept(runner: Remembering, changed: Changed) -> str:
    case, source = _program(changed)
    request = pair_request(case, graded_program(case, source).source)
    (result,) = runner.run([Job(0, OBSERVE_PAIR, request)], PairFacts)
    assert result.answer is not None
    return "; ".join(result.answer.kept)


@pytest.mark.parametrize("name", QUICK)
def test_the_comparison_says_what_is_kept(name: str, runner: Remembering) -> None:
    assert QUICK[name] in _kept(runner, KEPT[name])


@pytest.mark.parametrize("name", QUICK_RIGHT)
def test_the_comparison_accepts_a_right_fix(name: str, runner: Remembering) -> None:
    assert not _kept(runner, RIGHT[name])


@pytest.mark.parametrize(("source", "expected"), [(HEADS, []), (HEADS_SCORED_WRONG, [SAME_SCORE])])
def test_a_metric_is_compared_although_training_returns_more_outputs(
    source: str, expected: list[str], runner: Remembering
) -> None:
    request = PairRequest(source, HEADS, HEADS_SCORED_WRONG)
    (result,) = runner.run([Job(0, OBSERVE_PAIR, request)], PairFacts)
    assert result.answer is not None
    assert result.answer.kept == expected


@pytest.mark.parametrize("name", slow_but([*KEPT][3:4], KEPT))
def test_a_kept_mistake_is_no_repair(name: str, judge: Judge) -> None:
    judgement = judge(*_program(KEPT[name]))
    assert not judgement.ok
    assert judgement.violated, judgement.reason


@pytest.mark.parametrize("name", slow_but([*RIGHT][:1], RIGHT))
def test_a_right_fix_that_looks_like_one_is_a_repair(name: str, judge: Judge) -> None:
    judgement = judge(*_program(RIGHT[name]))
    assert judgement.ok, judgement.reason


def test_other_parameters_are_no_repair_but_may_be_a_learners_fix(
    runner: Remembering, judge: Judge
) -> None:
    wider = [("Conv2d(3, 8,", "Conv2d(3, 9,"), ("Conv2d(8, 16,", "Conv2d(9, 16,")]
    case, _ = _program(RIGHT["tanh as activation"])
    source = patched(*wider, source=case.fixed)
    result = Grader(runner).grade(case, source, "net.py")
    assert result.solved
    assert [one.law for one in result.advice] == [SAME_PARAMETERS.name]
    assert judge(case, source).violated == (SAME_PARAMETERS.name,)


def test_a_case_that_raises_is_not_compared(runner: Remembering) -> None:
    case = find(default_root(), "none/missing_return")
    assert isinstance(case, Case)
    assert kept_mistake(runner, case, case.broken) == ("", [])
