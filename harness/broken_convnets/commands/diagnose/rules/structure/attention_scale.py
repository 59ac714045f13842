"""Attention scales its scores before the softmax, which makes weights of them along the keys."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import NAMESPACES, origin_of, producer
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    require_success,
    site_of,
)
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

PRODUCTS = frozenset({"matmul", "__matmul__", "bmm", "einsum", "baddbmm"})
CLOSE = 1e-4
MATRICES = 3  # dimensions of one matrix of scores for each sample, at least
STEPS = 6  # operators between the product and the softmax


@rule(
    "attention scales its scores by the square root of their dimension before the softmax",
    stays_quiet="unless the result of a softmax over products of vectors is divided by the square "
    "root of their length, and the products were not",
)
def weights_scaled_after_softmax(evidence: Evidence) -> Iterator[Finding]:
    """Find `softmax(q @ k.T) / sqrt(d)`."""
    require_success(evidence)
    seen: set[object] = set()
    for operator in evidence.record.operators:
        factor = _factor(operator)
        softmax = producer(evidence, operator.inputs[0]) if factor else None
        if softmax is None or softmax.name != "softmax" or not operator.places:
            continue
        product = producer(evidence, softmax.inputs[0])
        if product is None or product.name not in PRODUCTS or operator.places[0] in seen:
            continue
        length = product.inputs[0].shape[-1]
        if length < 2 or abs(factor * math.sqrt(length) - 1) > CLOSE:  # noqa: PLR2004  (nothing to scale)
            continue
        seen.add(operator.places[0])
        yield Finding(
            kind="module",
            message="the weights of an attention are scaled after the softmax, and its scores "
            "are not scaled",
            evidence=f"`{operator.places[0].text}` divides the result of the softmax by "
            f"sqrt({length}), so that the weights of one query add up to {factor:.3g} instead of "
            f"1; divide the products of vectors of length {length}, which the softmax receives",
            cause=location(operator.places),
            symptom=location(softmax.places),
            subject=operator.places[0].text,
            confidence=7,
        )


@rule(
    "the weights of an attention add up to 1 along the keys",
    stays_quiet="unless a softmax of products of vectors works along the queries, and its result "
    "is multiplied with the values as it is",
)
def softmax_over_queries(evidence: Evidence) -> Iterator[Finding]:
    """Find `softmax(q @ k.T, dim=1) @ v` of three dimensions."""
    require_success(evidence)
    seen: set[object] = set()
    for operator in evidence.record.operators:
        if operator.name not in {"matmul", "__matmul__", "bmm"} or len(operator.inputs) != 2:  # noqa: PLR2004  (weights, values)
            continue
        softmax = _unchanged(evidence, operator.inputs[0])
        if softmax is None or softmax.name != "softmax" or not softmax.places:
            continue
        shape, dim = softmax.outputs[0].shape, softmax.literals.get("dim", softmax.literals.get(1))
        product = _product(evidence, softmax.inputs[0])
        if len(shape) < MATRICES or dim not in {-2, len(shape) - 2} or product is None:
            continue
        if softmax.places[0] in seen or shape[-1] < 2:  # noqa: PLR2004  (several keys)
            continue
        seen.add(softmax.places[0])
        yield Finding(
            kind="loss/softmax_dimension",
            message="the softmax of an attention works along the queries: the weights of one "
            "query do not add up to 1",
            evidence=f"`{softmax.places[0].text}` normalizes dimension {dim} of scores of shape "
            f"{list(shape)}, and `{operator.places[0].text if operator.places else '@'}` adds up "
            "the values along the last one, the keys",
            cause=location(origin_of(evidence, softmax)),
            symptom=location(operator.places),
            subject=softmax.places[0].text,
            candidates=_along_keys(evidence, softmax),
            confidence=7,
        )


def _unchanged(evidence: Evidence, value: Value) -> Operator | None:
    """Return the operator that computed a value, dropout aside."""
    found = evidence.record.producer(value)
    if found is not None and found.name == "dropout" and found.inputs:
        found = evidence.record.producer(found.inputs[0])
    return found


def _product(evidence: Evidence, value: Value) -> Operator | None:
    """Return the product of vectors that scores come from, through factors and masks."""
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or operator.name in PRODUCTS:
            return operator
        if plain_name(operator) not in {"mul", "div", "add", "masked_fill"}:
            return None
        value = operator.inputs[0]
    return None


def _along_keys(evidence: Evidence, softmax: Operator) -> tuple[Candidate, ...]:
    site = site_of(evidence, softmax.places)
    if site is None or called_name(site.call) != "softmax":
        return ()
    is_method = site.receiver not in NAMESPACES | {"nn.functional", "torch.nn.functional"}
    position = 0 if is_method else 1
    change = partial(edits.set_argument, site.source, site.call, "dim", position, "-1")
    return candidates((0, change))


def _factor(operator: Operator) -> float:
    """Return what an operator multiplies a tensor by; 0 if it does not multiply by a number."""
    name = plain_name(operator)
    if name not in {"mul", "div"} or not operator.inputs:
        return 0.0
    number = number_in(operator)
    if number is None and len(operator.inputs) == 2:  # noqa: PLR2004  (a number as a tensor)
        number = operator.inputs[1].scalar
    if not number:
        return 0.0
    return number if name == "mul" else 1 / number
