"""The tasks of this package: `inspect eval broken_convnets/repair`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample

from broken_convnets.commands.export.prompt import prompt_for
from broken_convnets.commands.score.programs.hand_out import random_seed
from broken_convnets.inspect_task.drawing import CORPUS, draw_questions
from broken_convnets.inspect_task.scorer import SCORES, laws
from broken_convnets.inspect_task.solvers import PROGRAM, agent, one_turn

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["agent", "laws", "one_turn", "repair"]


@task
def repair(dataset: str = CORPUS, ids: str | Sequence[str] = (), seed: int | None = None) -> Task:
    """Repair broken programs, and leave healthy ones as they are.

    `dataset` is "corpus", "variants" or the folder of another corpus, such as one that `wild`
    wrote. `ids` selects entries by id, topic or glob (default: all), `seed` repeats an evaluation
    (default: drawn at random, and recorded in the log).
    """
    chosen = [ids] if isinstance(ids, str) else list(ids)
    seed = random_seed() if seed is None else seed
    questions = draw_questions(dataset, tuple(chosen), seed)
    samples = [
        Sample(
            id=name,
            input=prompt_for(question.program.source),
            metadata={PROGRAM: question.program.source},
        )
        for name, question in questions.items()
    ]
    return Task(
        dataset=MemoryDataset(samples, name=Path(dataset).name),
        solver=one_turn(),
        scorer=laws(dataset, chosen, seed),
        headline_metric=f"laws.{SCORES[0]}",
        metadata={"seed": seed},
    )
