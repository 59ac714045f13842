"""The pages by symptom: questions that end at cases, and all cases of the symptom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from broken_convnets.commands.explain.symptoms.interviews import Question, interview_of
from broken_convnets.corpus.symptoms import Symptom

if TYPE_CHECKING:
    from collections.abc import Collection

    from broken_convnets.commands.site.library import Item, Library


@dataclass(frozen=True)
class SymptomPage:
    """What the page of a symptom shows."""

    symptom: Symptom
    questions: list[Question]  # their answers name only cases that the site has
    cases: list[Item]  # in the order of the questions; those without a question are last

    @property
    def path(self) -> str:
        """The path of the page, from the front page's folder."""
        return f"symptoms/{self.symptom}.html"

    def context(self) -> dict[str, Any]:
        """Return the variables of the template."""
        items = {item.id: item for item in self.cases}
        return {"page": self, "items": items, "descriptions": {s: s.description for s in Symptom}}


def symptom_pages(library: Library) -> list[SymptomPage]:
    """Return the pages of the symptoms that have a case."""
    with_cases = {symptom: found for symptom in Symptom if (found := _cases(library, symptom))}
    return [
        SymptomPage(symptom, _questions(symptom, with_cases), [library.items[n] for n in names])
        for symptom, names in with_cases.items()
    ]


def _cases(library: Library, symptom: Symptom) -> list[str]:
    """Return the ids of a symptom's cases, in the order of the questions."""
    shown = {case.id for case in library.cases if symptom in case.spec.symptoms}
    named = [name for name in interview_of(symptom).cases if name in shown]
    others = (item.id for item in library.items.values() if item.id in shown)
    return list(dict.fromkeys([*named, *others]))


def _questions(symptom: Symptom, with_cases: dict[Symptom, list[str]]) -> list[Question]:
    """Return the questions of a symptom without answers that lead to nothing here."""
    known = set(with_cases[symptom])
    questions = [
        _known(question, known, with_cases) for question in interview_of(symptom).questions
    ]
    while True:
        names = {question.name for question in questions if question.answers}
        shorter = [
            replace(
                question,
                answers=[one for one in question.answers if not one.next or one.next in names],
            )
            for question in questions
            if question.answers
        ]
        if shorter == questions:
            return questions
        questions = shorter


def _known(question: Question, known: set[str], with_cases: Collection[Symptom]) -> Question:
    answers = [
        replace(one, cases=[name for name in one.cases if name in known])
        for one in question.answers
        if one.symptom is None or one.symptom in with_cases
    ]
    kept = [one for one in answers if one.cases or one.next or one.symptom]
    return replace(question, answers=kept)
