"""Which label of a pair lets a contrastive loss pull its two samples together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.rules.loss.pair_losses import HINGES, SQUARES
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name, terms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.terms import Term
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

PASSES = 4  # backward passes that are looked at
HOPS = 12
DISTANCES = frozenset({"pairwise_distance", "norm", "linalg_norm", "vector_norm", "dist"})
# Operators whose result grows with the distance that they receive.
GROWING = TRANSPARENT | SQUARES | {"sqrt", "sum", "mean", "abs", "add", "__add__", "__abs__"}
TYPES = frozenset({"bool", "long", "int"})


@dataclass(frozen=True)
class Factor:
    """A tensor that a term is multiplied by: its number for the labels 0 and 1 of a pair."""

    label: Value
    numbers: tuple[float, float]
    operator: Operator  # that multiplies


@dataclass(frozen=True)
class PairLoss:
    """A loss of distances and of margins: `pulled` is the label for which it has no margin."""

    label: Value
    pulled: int
    near: Factor
    far: Factor


def pair_losses(evidence: Evidence) -> Iterator[PairLoss]:
    """Yield the losses that pull pairs of one label together, and push those of the other apart."""
    for backward in list(evidence.record.backward_passes)[:PASSES]:
        for root in backward.roots:
            weighted = [one for one in terms(evidence, root) if one.weights and one.factor > 0]
            near = [(d, t) for t in weighted if (d := _distance(evidence, t.value)) is not None]
            far = [(d, t) for t in weighted if (d := _margin(evidence, t.value)) is not None]
            if len(near) == len(far) == 1 and near[0][0] is far[0][0]:
                yield from _of_terms(evidence, near[0][1], far[0][1])


def _of_terms(evidence: Evidence, near: Term, far: Term) -> Iterator[PairLoss]:
    for one in _factors(evidence, near):
        for other in _factors(evidence, far):
            pulled = 0 if one.numbers[0] else 1
            opposite = one.numbers[1 - pulled] == other.numbers[pulled] == 0
            positive = one.numbers[pulled] > 0 and other.numbers[1 - pulled] > 0
            if one.label is other.label and opposite and positive:
                yield PairLoss(one.label, pulled, one, other)


def _factors(evidence: Evidence, term: Term) -> Iterator[Factor]:
    """Yield the factors that are computed from one tensor, for each tensor on the way."""
    for weight in term.weights:
        multiplies = next(one for one in term.path if weight in one.inputs)
        steps: list[Operator] = []
        value: Value = weight
        for _ in range(HOPS):
            numbers = (_computed(steps, 0.0), _computed(steps, 1.0))
            if None not in numbers:
                yield Factor(value, (numbers[0] or 0.0, numbers[1] or 0.0), multiplies)
            operator = evidence.record.producer(value)
            if operator is None or len(operator.inputs) != 1:
                break
            steps.insert(0, operator)
            value = operator.inputs[0]


def _computed(steps: list[Operator], number: float) -> float | None:
    """Return what operators compute from a number; None if that is not known."""
    found: float | None = number
    for operator in steps:
        found = None if found is None else _applied(operator, found)
    return found


def _applied(operator: Operator, number: float) -> float | None:
    name, other = plain_name(operator), number_in(operator)
    if operator.name in TRANSPARENT or name in TYPES:
        return number
    if name in {"logical_not", "invert"}:
        return float(not number)
    if name == "neg":
        return -number
    if other is None:
        return None
    results = {
        "add": number + other,
        "sub": number - other,
        "rsub": other - number,
        "mul": number * other,
        "eq": float(number == other),
        "ne": float(number != other),
    }
    if name == "div" and other:
        return number / other
    return results.get(name)


def _distance(evidence: Evidence, value: Value) -> Operator | None:
    """Return the operator that computes the distance that a value grows with."""
    for _ in range(HOPS):
        operator = evidence.record.producer(value)
        if operator is None or not operator.inputs:
            return None
        both = len(operator.inputs) == 2 and all(v.requires_grad for v in operator.inputs)  # noqa: PLR2004  (two samples)
        if operator.name in DISTANCES or (plain_name(operator) == "sub" and both):
            return operator
        if operator.name not in GROWING or len(operator.inputs) != 1:
            return None
        value = operator.inputs[0]
    return None


def _margin(evidence: Evidence, value: Value) -> Operator | None:
    """Return what computes the distance in max(0, margin - distance), or in the square of it."""
    operator = evidence.record.producer(value)
    for _ in range(HOPS):
        if operator is None or operator.name not in SQUARES | TRANSPARENT:
            break
        operator = evidence.record.producer(operator.inputs[0])
    if operator is None or operator.name not in HINGES:
        return None
    margin = evidence.record.producer(operator.inputs[0])
    if margin is None or plain_name(margin) != "rsub" or len(margin.inputs) != 1:
        return None
    return _distance(evidence, margin.inputs[0])
