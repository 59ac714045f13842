"""A program that stops because of a NaN: what computed the first one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.non_finite import (
    DATA,
    WEIGHTED,
    first_bad_gradient,
    is_steep,
    kind_of,
    origin_of_non_finite,
)
from broken_convnets.commands.diagnose.rules.loss.poles import explain, guarded
from broken_convnets.commands.diagnose.sites import candidates, location
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

COMPLAINT = re.compile(r"\b(nan|inf|infinite|non-?finite|not finite)\b", re.IGNORECASE)
LAST = 200  # operators before the failure that are looked at


@rule(
    "a program does not stop because of a NaN",
    stays_quiet="unless the exception speaks of NaN or infinity",
)
def failed_on_nan(evidence: Evidence) -> Iterator[Finding]:
    """Find the operator that computed the first NaN before an exception about it."""
    if evidence.error is None or not COMPLAINT.search(str(evidence.error)):
        return
    origin = _origin(evidence)
    if origin is None or not origin.places or origin.name in WEIGHTED | DATA:
        return
    yield Finding(
        kind=kind_of(origin, origin.outputs[0]) if origin.outputs else "training/nan_log_zero",
        message=f"{origin.name} computes the first value, or gradient, that is not finite",
        evidence=f"{explain(evidence, origin)} in {origin.places[0].text}; the program stops "
        "later because of it",
        violates=(Law.OUTPUT_AS_DECLARED,),
        cause=location(origin.places),
        subject=origin.places[0].text,
        cases=("training/nan_log_of_zero",),
        candidates=candidates(*guarded(evidence, origin)),
        confidence=8,
    )


def _origin(evidence: Evidence) -> Operator | None:
    """Return the operator with the first NaN, or one whose gradient is not finite."""
    record = evidence.record
    gradient = first_bad_gradient(evidence)
    if gradient is not None:
        return _steep(evidence, set(gradient.roots))
    for operator in reversed(list(record.operators)[-LAST:]):
        for value in (*operator.inputs, *operator.outputs):
            first = origin_of_non_finite(evidence, value) if value.finite is False else None
            if first is not None:
                return record.producer(first)
    return _steep(evidence, {v for b in record.backward_passes if b.raised for v in b.roots})


def _steep(evidence: Evidence, roots: set[Value]) -> Operator | None:
    makers = (evidence.record.producer(value) for value in evidence.flow.ancestors(roots))
    steep = (o for o in makers if o is not None and is_steep(evidence, o))
    return min(steep, key=lambda operator: operator.number, default=None)
