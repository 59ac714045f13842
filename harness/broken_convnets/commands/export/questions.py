"""Questions about a case, and their answers, for notebooks and their keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.corpus.diff import cause_lines
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.corpus.entries import Case


@dataclass(frozen=True)
class Question:
    """A question, and the answer that only the teacher's copy shows."""

    text: str
    answer: str


def questions(case: Case) -> Iterator[Question]:
    """Yield the questions about a case, from what one sees to what one learns from it."""
    spec = case.spec
    if spec.broken.stage is Stage.SILENT:
        expected = " ".join(law.description for law in sorted(spec.broken.violates))
        yield Question(
            "Nothing is raised. Which property of a healthy program does not hold here, and how "
            "can you check it?",
            expected,
        )
    else:
        yield from _about_the_exception(case)
    lines = case.broken.splitlines()
    causes = [f"`{lines[number - 1].strip()}`" for number in sorted(_causes(case))]
    yield Question("Which line contains the mistake?", ", ".join(causes))
    yield Question("Why does it have this effect?", spec.why)
    yield Question("How would you find it in a program of a thousand lines?", spec.diagnose)
    yield Question(
        "Which other mistake looks the same, and how do you tell them apart?", spec.distinguish
    )


def _about_the_exception(case: Case) -> Iterator[Question]:
    broken = case.spec.broken
    if broken.expression:
        yield Question("Which expression raises the exception?", f"`{broken.expression}`")
    layer = f"`{broken.layer}`" if broken.layer else "None: it is raised outside of every layer."
    yield Question("In which layer of the network is it raised?", layer)


def _causes(case: Case) -> set[int]:
    return {number for number in cause_lines(case.broken, case.fixed) if number > 0}
