"""Answer words instead of an error message: with a symptom, or with a page of the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.explain.symptoms.cases import cases_with, ranked
from broken_convnets.commands.explain.symptoms.documents import Document, document_for
from broken_convnets.commands.explain.symptoms.interviews import Question, interview_of
from broken_convnets.commands.explain.symptoms.matching import symptoms_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from broken_convnets.corpus.spec import CaseSpec
    from broken_convnets.corpus.symptoms import Symptom


class LikelyCase(Struct, frozen=True):
    """A case of the symptom, and the question that separates it from others."""

    id: str
    title: str
    distinguish: str


class SymptomAnswer(Struct, frozen=True):
    """The symptom that a text describes, the questions to ask, and its cases, likely ones first."""

    symptom: str
    description: str
    questions: list[Question]
    cases: list[LikelyCase]


def look_up(text: str, root: Path, order: Sequence[str]) -> SymptomAnswer | Document | None:
    """Return what helps with a text that quotes no error message; None if nothing does.

    `root` is the folder of the corpus, and `order` has ids of cases, those with the most reports
    first. Raises CorpusError if the corpus cannot be read.
    """
    document = document_for(text, root)
    if document is not None:
        return document
    found = symptoms_in(text)
    if not found:
        return None
    symptom = found[0].symptom
    cases = cases_with(root, symptom)
    return _answer(text, symptom, cases, order) if cases else None


def _answer(
    text: str, symptom: Symptom, cases: Mapping[str, CaseSpec], order: Sequence[str]
) -> SymptomAnswer:
    likely = ranked(text, cases, order)
    shown = [LikelyCase(name, cases[name].title, cases[name].distinguish) for name in likely]
    return SymptomAnswer(symptom, symptom.description, interview_of(symptom).questions, shown)
