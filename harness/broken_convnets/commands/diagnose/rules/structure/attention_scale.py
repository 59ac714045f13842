"""Attention divides its scores by a square root before the softmax, not its weights after it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import producer
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator

PRODUCTS = frozenset({"matmul", "__matmul__", "bmm", "einsum", "baddbmm"})
CLOSE = 1e-4


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
            rule="weights_scaled_after_softmax",
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
