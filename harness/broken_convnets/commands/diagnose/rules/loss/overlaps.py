"""A Dice or IoU loss of probabilities receives probabilities, not logits."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import producer
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name
from broken_convnets.commands.diagnose.sites import assignments, candidates, location, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

LINEAR = frozenset(
    {"linear"} | {f"{kind}{n}d" for kind in ("conv", "conv_transpose") for n in (1, 2, 3)}
)
SCALING = frozenset({"add", "mul", "sub", "clamp", "clamp_min"})
STEPS = 8  # operators between a quotient and its sums


class Definition(NamedTuple):
    """What the scores are assigned; for a parameter, its use and the body of the function."""

    source: Source
    node: ast.expr
    body: list[ast.stmt] | None = None


class Overlap(NamedTuple):
    """A quotient of the sum of `product` and of sums of its factors: `scores` and a mask."""

    quotient: Operator
    product: Operator
    scores: Value
    layer: Operator  # that computed the scores, and no activation after it


@rule(
    "a Dice or IoU loss is computed from probabilities",
    stays_quiet="unless the scores come from a convolution or linear layer without an activation, "
    "and the sums of the scores and of the mask are both in the denominator",
)
def overlap_of_logits(evidence: Evidence) -> Iterator[Finding]:
    """Find soft overlaps such as 2 * sum(p * t) / (sum(p) + sum(t)) whose p are logits."""
    for found in _overlaps(evidence):
        place = _definition(evidence, found)
        classes = found.scores.shape[1] if len(found.layer.outputs[0].shape) > 2 else 1  # noqa: PLR2004  (batch and classes)
        many = classes > 1 and found.scores.shape == found.layer.outputs[0].shape
        activation = "softmax(1)" if many else "sigmoid()"
        yield Finding(
            kind="loss",
            message=f"`{found.product.places[0].text}` multiplies logits with a mask: an overlap "
            "needs probabilities",
            evidence=f"the scores are the output of {found.layer.layer or found.layer.name}, which "
            "has no bounds: the quotient can leave [0, 1], and decreases without end; "
            f".{activation} makes probabilities of them",
            cause=location_in(place.source, place.node)
            if place
            else location(found.product.places),
            symptom=location(found.quotient.places),
            subject=found.product.places[0].text,
            candidates=candidates((0, partial(_activated, place, activation))) if place else (),
            confidence=8,
        )
        return


def _overlaps(evidence: Evidence) -> Iterator[Overlap]:
    for operator in evidence.record.operators:
        if plain_name(operator) != "div" or len(operator.inputs) != 2 or not operator.places:  # noqa: PLR2004  (a quotient)
            continue
        above, below = operator.inputs
        for product in _summed(evidence, above):
            factors = product.inputs if plain_name(product) == "mul" else ()
            scores = [value for value in factors if value.requires_grad]
            masks = [value for value in factors if not value.requires_grad]
            if len(scores) != 1 or len(masks) != 1 or not product.places:
                continue
            layer = producer(evidence, scores[0])
            summed = set(_summed_values(evidence, below))
            if layer and layer.name in LINEAR and {scores[0], masks[0]} <= summed:
                yield Overlap(operator, product, scores[0], layer)


def _summed_values(evidence: Evidence, value: Value) -> Iterator[Value]:
    """Yield what sums in a value go over, the terms of `(p + t).sum()` one by one."""
    for operator in _sums(evidence, value):
        added = evidence.record.producer(operator.inputs[0])
        yield operator.inputs[0]
        if added is not None and plain_name(added) == "add":
            yield from added.inputs


def _summed(evidence: Evidence, value: Value) -> Iterator[Operator]:
    """Yield the operators whose results are summed up in a value."""
    for operator in _sums(evidence, value):
        found = evidence.record.producer(operator.inputs[0])
        if found is not None:
            yield found


def _sums(evidence: Evidence, value: Value) -> Iterator[Operator]:
    """Yield the sums that a value is added up from, through factors and constants."""
    waiting = [(value, STEPS)]
    while waiting:
        at, steps = waiting.pop()
        operator = evidence.record.producer(at)
        if operator is None or not steps or not operator.inputs:
            continue
        if operator.name == "sum":
            yield operator
        elif plain_name(operator) in SCALING and (
            len(operator.inputs) > 1 or number_in(operator) is not None or "clamp" in operator.name
        ):
            waiting += [(one, steps - 1) for one in operator.inputs]


def _definition(evidence: Evidence, found: Overlap) -> Definition | None:
    """Return where the scores of a product get their name, in the function that multiplies."""
    source = evidence.source(found.product.places[0].file)
    node = source.expression_at(found.product.places[0]) if source else None
    function = source.function_of(node) if source and node else None
    if source is None or function is None or not isinstance(node, ast.BinOp):
        return None
    name = node.left if found.product.inputs[0] is found.scores else node.right
    if not isinstance(name, ast.Name):
        return None
    assigned = assignments(source, name.id, function)
    if len(assigned) == 1:
        return Definition(source, assigned[0].value)
    is_parameter = name.id in [argument.arg for argument in function.args.args]
    return Definition(source, name, function.body) if is_parameter and not assigned else None


def _activated(at: Definition, activation: str) -> Patch:
    """Apply an activation where the scores get their name, or before a parameter is used."""
    text = at.source.text_of(at.node)
    if at.body is None:
        simple = isinstance(at.node, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
        owner = text if simple else f"({text})"
        return edits.replace(at.source, [(at.node, f"{owner}.{activation}")])
    documented = len(at.body) > 1 and isinstance(at.body[0], ast.Expr)
    return edits.insert_before(at.source, at.body[documented], f"{text} = {text}.{activation}")
