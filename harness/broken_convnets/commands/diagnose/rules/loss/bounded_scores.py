"""Cosines are scaled up before a cross-entropy compares them: they lie between -1 and 1."""

from __future__ import annotations

import ast
from functools import partial
from math import exp, log, log1p
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.log_probabilities import by_place
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name
from broken_convnets.commands.diagnose.sites import candidates, location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.losses import LossCall
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

PRODUCTS = frozenset({"matmul", "mm", "linear", "einsum", "bmm"})
MASKING = frozenset({"masked_fill", "fill_diagonal"})
SAME_LENGTHS = TRANSPARENT | {"detach", "cat", "stack", "__get__ mT"}
STEPS = 16  # operators that are followed from the loss to the cosines
FEWEST = 8  # classes; between fewer of them, unscaled cosines can tell
SHARE = 0.3  # of the loss of guessing, that stays in any case


class Bounded(NamedTuple):
    """Scores from -limit to limit; `scaling` is the last operator that multiplies by a number."""

    limit: float
    scaling: Operator | None = None

    def times(self, factor: float, operator: Operator) -> Bounded:
        """Return the scores that are multiplied by a number."""
        return Bounded(self.limit * abs(factor), operator)


@rule(
    "cosine similarities are divided by a temperature before cross_entropy",
    stays_quiet="about scales that are learned, divisions by a temperature of 1 or less, and fewer "
    "than 8 classes",
)
def cosines_in_cross_entropy(evidence: Evidence) -> Iterator[Finding]:
    """Find contrastive losses whose logits are multiplied by a temperature, or not scaled."""
    for calls in by_place(evidence, "cross_entropy"):
        call = calls[0]
        scores = _bounded(evidence, call.operator.inputs[0], STEPS)
        if scores is None or scores.limit > 1 or (scores.scaling and scores.limit == 1):
            continue
        classes = call.input.classes
        least = log1p((classes - 1) * exp(-2 * scores.limit)) if classes >= FEWEST else 0
        if least < SHARE * log(max(classes, 2)) or not _agrees(calls, least):
            continue
        yield _finding(evidence, call, scores, least)


def _finding(evidence: Evidence, call: LossCall, scores: Bounded, least: float) -> Finding:
    scaled, classes = scores.scaling, call.input.classes
    places = (scaled or call.operator).places
    what = f"multiplied by {scores.limit:.3g}" if scaled else "not divided by a temperature"
    return Finding(
        kind="training/not_learning",
        message=f"cross_entropy receives cosine similarities that are {what}: the loss can hardly "
        "decrease",
        evidence=f"the logits lie between {-scores.limit:.3g} and {scores.limit:.3g}, so with "
        f"{classes} classes the loss is at least {least:.3g}; a uniform prediction has "
        f"log({classes}) = {log(classes):.3g}",
        severity=Severity.ERROR if scaled else Severity.WARNING,
        cause=location(places),
        symptom=location(call.operator.places),
        subject=places[0].text,
        candidates=_division(evidence, scaled) if scaled else (),
        confidence=7,
    )


def _agrees(calls: list[LossCall], least: float) -> bool:
    """Return whether the targets are classes, and no recorded loss is below the bound."""
    losses = [v.scalar for one in calls for v in one.operator.outputs if v.scalar is not None]
    classes = all(not one.target.dtype.is_floating_point for one in calls)
    return classes and bool(losses) and min(losses) >= 0.99 * least


def _bounded(evidence: Evidence, value: Value, steps: int) -> Bounded | None:
    """Return the bound of scores that are cosines, times a number; None if they are not."""
    operator = evidence.record.producer(value)
    if operator is None or not operator.inputs or not steps:
        return None
    name, number = plain_name(operator), number_in(operator)
    if name in PRODUCTS:
        return _product(evidence, operator)
    if name == "cosine_similarity":
        return Bounded(1)
    inputs = operator.inputs if name == "cat" else operator.inputs[:1]
    found = [_bounded(evidence, one, steps - 1) for one in inputs]
    one = max((b for b in found if b is not None), default=None, key=lambda b: b.limit)
    if one is None or None in found:
        return None
    if name in {"mul", "div"}:
        factor = _factor(operator, number)
        return one.times(factor if name == "mul" else 1 / factor, operator) if factor else None
    same = operator.name in SAME_LENGTHS or name in MASKING
    return one if same else None


def _factor(operator: Operator, number: float | None) -> float | None:
    """Return what an operator multiplies or divides by; None if it is learned or unknown."""
    if len(operator.inputs) == 1:
        return number
    other = operator.inputs[1]
    return None if other.requires_grad or other.parameter else other.scalar


def _product(evidence: Evidence, operator: Operator) -> Bounded | None:
    """Return the bound of products of vectors whose lengths are known."""
    bias = operator.name == "linear" and len(operator.inputs) > 2  # noqa: PLR2004  (input, weight)
    if bias or len(operator.inputs) < 2:  # noqa: PLR2004  (two factors)
        return None
    one, two = (_length(evidence, value, STEPS) for value in operator.inputs[:2])
    if one is None or two is None:
        return None
    return Bounded(one.limit * two.limit, one.scaling or two.scaling)


def _length(evidence: Evidence, value: Value, steps: int) -> Bounded | None:
    """Return the length of the vectors in a value; None if it is not known."""
    operator = evidence.record.producer(value)
    if operator is None or not operator.inputs or not steps:
        return None
    name, number = plain_name(operator), number_in(operator)
    if name == "normalize":
        return Bounded(1) if operator.literals.get("p", 2) == 2 else None  # noqa: PLR2004  (Euclidean)
    if name == "div" and len(operator.inputs) == 2 and _is_norm(evidence, operator):  # noqa: PLR2004  (by its length)
        return Bounded(1)
    found = [_length(evidence, one, steps - 1) for one in _vectors(operator, name)]
    one = found[0] if found else None
    if one is None or None in found:
        return None
    if name in {"mul", "div"} and number and len(operator.inputs) == 1:
        return one.times(number if name == "mul" else 1 / number, operator)
    return one if operator.name in SAME_LENGTHS else None


def _vectors(operator: Operator, name: str) -> tuple[Value, ...]:
    return operator.inputs if name in {"cat", "stack"} else operator.inputs[:1]


def _is_norm(evidence: Evidence, operator: Operator) -> bool:
    """Return whether an operator divides a value by its own length."""
    value, divisor = operator.inputs
    norm = evidence.record.producer(divisor)
    while norm is not None and plain_name(norm) in {"clamp", "clamp_min", "add"} and norm.inputs:
        norm = evidence.record.producer(norm.inputs[0])
    known = norm is not None and norm.name in {"norm", "linalg_norm", "linalg_vector_norm"}
    return known and norm is not None and norm.inputs[0] is value


def _division(evidence: Evidence, scaling: Operator) -> tuple[Candidate, ...]:
    """Return the change that divides by the number."""
    source = evidence.source(scaling.places[0].file)
    node = source.expression_at(scaling.places[0]) if source else None
    if source is None or not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Mult):
        return ()
    one, other = node.left, node.right
    if isinstance(one, ast.Constant):
        one, other = other, one
    text = f"{_operand(source.text_of(one), one)} / {_operand(source.text_of(other), other)}"
    return candidates((0, partial(edits.replace, source, [(node, text)])))


def _operand(text: str, node: ast.expr) -> str:
    simple = isinstance(node, ast.Name | ast.Call | ast.Attribute | ast.Subscript | ast.Constant)
    return text if simple else f"({text})"
