"""A normalization is over several numbers: what is left of a single one is a constant."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator


@rule(
    "a normalization is over more than one number",
    stays_quiet="unless layer_norm works on one number each, or normalize along a dimension of "
    "length 1, at all calls at one place, and a loss depends on the result; about the vectors of "
    "a spectral norm, which have one number if a layer has one output",
)
def one_number_is_normalized(evidence: Evidence) -> Iterator[Finding]:
    """Find LayerNorm(1), and F.normalize of one output for each sample."""
    require_success(evidence)
    groups: dict[object, list[Operator]] = {}
    for operator in evidence.record.operators:
        if operator.name in {"layer_norm", "normalize"} and operator.inputs and operator.places:
            groups.setdefault((operator.module, operator.places[0]), []).append(operator)
    for operators in groups.values():
        first = operators[0]
        used = any(v in evidence.flow.reaching_backward for o in operators for v in o.outputs)
        if not used or any(_length(one) != 1 or _is_one_number(one) for one in operators):
            continue
        built = evidence.record.construction_of(first) if first.name == "layer_norm" else None
        places = built.places if built is not None and built.places else first.places
        left = "0" if first.name == "layer_norm" else "1 or -1"
        yield Finding(
            kind="training/not_learning",
            message=f"{first.name} normalizes single numbers: the result is {left} for every input",
            evidence=f"its input has the shape {list(first.inputs[0].shape)} at "
            f"`{first.places[0].text}`, and it works along a dimension of length 1",
            cause=location(places),
            symptom=location(first.places),
            subject=first.places[0].text,
            confidence=8,
        )


def _is_one_number(operator: Operator) -> bool:
    return operator.name == "normalize" and math.prod(operator.inputs[0].shape) == 1


def _length(operator: Operator) -> int:
    """Return how many numbers are normalized together; 0 if that is not known."""
    shape = operator.inputs[0].shape
    if operator.name == "layer_norm":
        given = operator.literals.get(1, operator.literals.get("normalized_shape"))
        return math.prod(given) if isinstance(given, tuple | list) else 0
    dim = operator.literals.get("dim", operator.literals.get(2, 1))
    known = isinstance(dim, int) and -len(shape) <= dim < len(shape)
    return shape[dim] if known else 0
