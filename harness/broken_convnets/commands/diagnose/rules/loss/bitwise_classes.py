"""Intersections and unions are of masks of one class, not of the bits of class numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.sites import location, require_success
from broken_convnets.observe.recorder.losses import BITWISE, INTEGERS
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

CLASSES = frozenset({"argmax", "max", "topk", "argsort", "sort"})  # return indices
CASTS = frozenset({"int", "long", "short", "byte", "float", "double", "to", "type"})
KEPT = TRANSPARENT | CASTS | {"masked_select", "cat", "stack", "concat", "detach", "ravel"}
SUMS = frozenset({"sum", "mean", "count_nonzero"})
WORDS = {"and": ("an intersection", "&"), "or": ("a union", "|")}
STEPS = 12  # operators that only move or convert numbers
PAIR = 2


@rule(
    "an intersection or a union is one of masks, not of class numbers",
    stays_quiet="unless both tensors are integers of one shape with values above 1, one of them "
    "comes from the argmax of a network and the other one from no network, and a sum or a mean "
    "takes the result as it is; about masks, flags and results that are compared",
)
def bits_of_classes(evidence: Evidence) -> Iterator[Finding]:
    """Find `(predicted & labels).sum()` of class numbers."""
    require_success(evidence)
    for number, least in evidence.record.read_inputs.items():
        operator = evidence.record.operators.find(number)
        if operator is None or operator.name not in BITWISE or not operator.places:
            continue
        total = _sum_of(evidence, operator.outputs[0]) if operator.outputs else None
        if least.maximum <= 1 or total is None or not _are_classes(evidence, operator):
            continue
        word, sign = WORDS["and" if "and" in operator.name else "or"]
        bits = 1 if sign == "&" else 3
        yield Finding(
            kind="loss/broadcast_metric",
            message=f"`{operator.places[0].text}` combines the bits of class numbers: {word} "
            "needs a mask of one class",
            evidence=f"both are {operator.inputs[0]} with class numbers, up to "
            f"{least.maximum:.0f}, and `{total.places[0].text}` adds up numbers such as "
            f"1 {sign} 3 = {bits}; compare each with one class first, as in "
            "`(predicted == c) & (labels == c)`",
            violates=(Law.PERFECT_SCORES_ONE,),
            cause=location(operator.places),
            symptom=location(total.places),
            subject=operator.places[0].text,
            confidence=8,
        )
        return


def _are_classes(evidence: Evidence, operator: Operator) -> bool:
    """Return whether an operator combines predicted classes of a network with other integers."""
    if len(operator.inputs) != PAIR or any(v.dtype not in INTEGERS for v in operator.inputs):
        return False
    one, other = operator.inputs
    if one.shape != other.shape:
        return False
    depends = [evidence.flow.depends_on_network(value) for value in (one, other)]
    if depends[0] is depends[1]:
        return False
    predicted = one if depends[0] else other
    return _is_index(evidence, predicted)


def _is_index(evidence: Evidence, value: Value) -> bool:
    """Return whether integers are the indices of the best of several scores."""
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or not operator.inputs:
            return False
        if operator.name in CLASSES:
            return operator.inputs[0].dtype.is_floating_point and value.dtype is torch.int64
        if operator.name not in KEPT:
            return False
        value = operator.inputs[0]
    return False


def _sum_of(evidence: Evidence, value: Value) -> Operator | None:
    """Return the sum or mean that takes a value, as it is or converted."""
    for _ in range(STEPS):
        users = evidence.flow.consumers(value)
        found = next((one for one in users if one.name in SUMS and one.places), None)
        if found is not None:
            return found
        moved = [o for o in users if o.name in KEPT and o.outputs and o.inputs[0] is value]
        if not moved:
            return None
        value = moved[0].outputs[0]
    return None
