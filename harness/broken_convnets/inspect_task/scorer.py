"""The scorer: judges the answer to each sample in the sandbox."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

import anyio
from inspect_ai.scorer import Score, mean, scorer, stderr

from broken_convnets.inspect_task.drawing import draw_questions
from broken_convnets.inspect_task.grade import grade
from broken_convnets.inspect_task.judging import judge

if TYPE_CHECKING:
    from inspect_ai.scorer import Scorer, Target
    from inspect_ai.solver import TaskState

SCORES = ("correct", "repaired", "harmless", "cause_line", "edit_precision")


@scorer(metrics={name: [mean(), stderr()] for name in SCORES})
def laws(dataset: str, ids: list[str], seed: int) -> Scorer:
    """Judge by the laws of the corpus; the arguments are those of the task.

    A score that a sample does not have is NaN, which Inspect leaves out of the mean.
    """
    questions = draw_questions(dataset, tuple(ids), seed)

    async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001  (Inspect passes it)
        question, text = questions[str(state.sample_id)], state.output.completion
        graded = await anyio.to_thread.run_sync(
            grade, question.program, question.entry, text, judge
        )
        values = asdict(graded)
        reason = values.pop("reason")
        return Score(
            value={name: math.nan if value is None else value for name, value in values.items()},
            answer=text,
            explanation=reason,
            metadata={"entry": question.program.entry, "role": question.program.role.value},
        )

    return score
