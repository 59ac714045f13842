"""Read the interviews: how people describe a symptom, and questions that end at cases."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from msgspec import Struct, convert

from broken_convnets.corpus.symptoms import Symptom
from broken_convnets.util.files import read

HERE = Path(__file__).parent


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """An answer to a question, and where it leads: to a question, cases or another symptom."""

    answer: str
    next: str = ""
    cases: list[str] = []
    symptom: Symptom | None = None


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """A question about what a person observes."""

    name: str
    ask: str
    answers: list[Answer]


class Interview(Struct, frozen=True, forbid_unknown_fields=True):
    """What people say about a symptom, and the questions to ask; the first of them is the start.

    A phrase is a list of words, in order. A word in capitals stands for its entry in `words.toml`,
    any other is a regular expression for lower-case text.
    """

    phrases: list[str]
    questions: list[Question]
    general: bool = (
        False  # people also say so about other symptoms, which then are the better answer
    )

    @property
    def cases(self) -> list[str]:
        """The cases that the answers name, in the order of the questions."""
        answers = [answer for question in self.questions for answer in question.answers]
        return list(dict.fromkeys(name for answer in answers for name in answer.cases))


@cache
def interview_of(symptom: Symptom) -> Interview:
    """Return the interview of a symptom."""
    return convert(tomllib.loads(read(HERE / "interviews" / f"{symptom}.toml")), Interview)


@cache
def words() -> dict[str, str]:
    """Return the regular expression for each word in capitals."""
    return convert(tomllib.loads(read(HERE / "words.toml")), dict[str, str])
