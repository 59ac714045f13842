"""Hold the symptoms that a case declares to the laws that it violates, and to what it returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.corpus.symptoms import NEEDS, SHOWN_BY, Symptom
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from broken_convnets.corpus.spec import CaseSpec
    from broken_convnets.vocabulary import Law

NON_FINITE = "non-finite"  # how the description of an output marks NaN and infinity


def check_symptoms(spec: CaseSpec) -> list[str]:
    """Return what is wrong with the key `symptoms` of a case, with what to do."""
    if spec.broken.stage is not Stage.SILENT:
        return []
    if not spec.symptoms:
        return ["key `symptoms` is missing: say what people observe (docs/case-format.md)"]
    violates = spec.broken.violates
    return [*_unfounded(spec.symptoms, violates), *_omitted(spec.symptoms, violates)]


def _unfounded(symptoms: Iterable[Symptom], violates: frozenset[Law]) -> list[str]:
    """Return a sentence for each symptom that needs another law than those violated."""
    return [
        f"key `symptoms`: {symptom} needs a case that violates {_listed(NEEDS[symptom])}: "
        "remove it, or choose another symptom"
        for symptom in symptoms
        if symptom in NEEDS and not NEEDS[symptom] & violates
    ]


def _omitted(symptoms: Collection[Symptom], violates: frozenset[Law]) -> list[str]:
    """Return a sentence for each violated law whose symptom is not declared."""
    return [
        f"key `symptoms`: a case that violates {law} shows {_listed(SHOWN_BY[law])}: add it"
        for law in sorted(violates)
        if law in SHOWN_BY and SHOWN_BY[law].isdisjoint(symptoms)
    ]


def _listed(names: Iterable[str]) -> str:
    return " or ".join(sorted(names))


def contradicts(symptoms: Collection[Symptom], output: str | None) -> str:
    """Return how the output of a run contradicts the declared symptoms; empty if it does not.

    `output` is its description, as recorded: "float32[] non-finite".
    """
    if NON_FINITE in (output or "") and Symptom.LOSS_IS_NAN not in symptoms:
        return f"the run returns {output}: declare {Symptom.LOSS_IS_NAN}"
    return ""
