"""Declare a verified program as a case: the texts of its case of the corpus, and its failure."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from broken_convnets.corpus.entries import Case, case_of, default_root
from broken_convnets.corpus.spec import Broken, CaseSpec, Healthy
from broken_convnets.corpus.symptoms import NEEDS, SHOWN_BY, Symptom
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.commands.wild.drafts import Draft
    from broken_convnets.commands.wild.store import BrokenCheck
    from broken_convnets.vocabulary import Law


def case_for(draft: Draft, broken_source: str, check: BrokenCheck, healthy: Healthy) -> Case:
    """Return the case of a verified program. `check.broken` must not be None."""
    assert check.broken is not None  # noqa: S101  (it is verified)
    known = known_case(draft.fault.case).spec
    title = draft.fault.title or known.title
    spec = CaseSpec(
        title=title,
        covers=known.covers,
        sources=known.sources,
        level=3,
        hints=["What does each layer receive, and what does it return?"],
        why=f"{title}, in a program made of {draft.original.host}. The case "
        f"`{draft.fault.case}` shows the same mistake in a few lines, and explains it.",
        diagnose=f"As in the case `{draft.fault.case}`.",
        distinguish=known.distinguish,
        broken=check.broken,
        fixed=healthy,
        symptoms=_symptoms(known, check.broken, non_finite=check.non_finite),
        generated=f"wild: seed {draft.seed}, number {draft.number}, {draft.original.host}, "
        f"{draft.original.wrapper}, {draft.original.run}",
    )
    return Case(draft.id, spec, broken_source, draft.original.source)


@cache
def known_case(name: str) -> Case:
    """Return a case of this package's corpus. Raises CorpusError if there is none."""
    return case_of(default_root(), name)


def _symptoms(known: CaseSpec, broken: Broken, *, non_finite: bool) -> list[Symptom]:
    """Return the symptoms of the known case that fit the violated laws, and those they need."""
    if broken.stage is not Stage.SILENT:
        return []
    found = [one for one in known.symptoms if _fits(one, broken.violates)]
    if non_finite:
        found.append(Symptom.LOSS_IS_NAN)
    for law in sorted(broken.violates):
        shown = sorted(SHOWN_BY.get(law, ()))
        if shown and not set(shown) & set(found):
            found += [one for one in shown if _fits(one, broken.violates)][:1]
    return list(dict.fromkeys(found)) or [Symptom.WORSE_THAN_EXPECTED]


def _fits(symptom: Symptom, violated: Iterable[Law]) -> bool:
    return symptom not in NEEDS or bool(NEEDS[symptom] & set(violated))
