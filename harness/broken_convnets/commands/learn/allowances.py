"""What a right fix may do otherwise than the reference fix, though a law or check would object.

A fix may scale the inputs inside the network, leave integers as inputs and convert them there, or
replace a normalization by another one that has no running statistics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from broken_convnets.verdicts.declared_laws import against
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.commands.learn.facts import LearnerFacts
    from broken_convnets.corpus.entries import Case
    from broken_convnets.corpus.spec import Healthy
    from broken_convnets.observe.facts import InputSummary, Observation

NORM = "Norm"
FAMILIES = (NORM, "Dropout", "Conv", "Linear")
MODE_LAWS = {Law.STATISTICS_STAY, Law.TRAINS_IN_TRAIN_MODE, Law.INFERS_IN_EVAL_MODE}
NORMALIZED = 3.0  # times the declared maximum: what inputs around zero may reach


def family(kind: str) -> str:
    """Return the family of layers that can replace a layer of this type, or the type itself."""
    return next((name for name in FAMILIES if name in kind), kind)


def count(facts: LearnerFacts, kind: str) -> int:
    """Return how many layers of the family of `kind` a run calls."""
    wanted = family(kind)
    return sum(number for name, number in facts.layers.items() if family(name) == wanted)


def may_be_lost(case: Case, law: Law, seen: LearnerFacts, reference: LearnerFacts) -> bool:
    """Return whether a right fix may make a law inapplicable."""
    if law is Law.NONLINEAR:
        return seen.nonlinear is True
    if law not in MODE_LAWS or MODE_LAWS & case.spec.broken.violates:
        return False
    return 0 < count(reference, NORM) <= count(seen, NORM)


def with_first_input(case: Case, seen: Observation, facts: LearnerFacts) -> Observation:
    """Return `seen` with the values that the first layer receives as its inputs, if they conform.

    The network may scale or convert the inputs itself.
    """
    if seen.given is None or facts.first_input is None:
        return seen
    first = msgspec.structs.replace(facts.first_input, parameters=seen.given.parameters)
    for given in (seen.given, first, _unit_range(case.healthy, first)):
        changed = msgspec.structs.replace(seen, given=given)
        if Law.INPUTS_AS_DECLARED not in against(case.healthy, changed):
            return changed
    return seen


def _unit_range(declared: Healthy, first: InputSummary) -> InputSummary:
    """Return a summary in the declared range, if the values are normalized around zero instead."""
    if not declared.range or declared.range[0] != 0:
        return first
    limit = NORMALIZED * declared.range[1]
    if -limit <= first.low < 0 < first.high <= limit:
        high = min(first.high - first.low, declared.range[1])
        return msgspec.structs.replace(first, low=0.0, high=high)
    return first
