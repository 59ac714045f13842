"""Outputs and targets have one shape where they are compared element by element."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.broadcast_fixes import one_shape
from broken_convnets.commands.diagnose.rules.loss.pairing import (
    DIFFERENCES,
    EQUALITIES,
    LOSSES,
    PRODUCTS,
    broadcast,
    paired,
    repeats,
)
from broken_convnets.commands.diagnose.sites import location
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

    Shape = tuple[int, ...]

# Operators that a program calls to make every pair on purpose.
ARRANGING = frozenset({"__getitem__", "unsqueeze", "view", "reshape", "expand", "t", "transpose"})
WORKS_ON_PAIRS = frozenset({"cdist", "matmul", "mm", "triu", "tril", "diagonal", "fill_diagonal_"})
LAST = ("squeeze(-1)", "unsqueeze(-1)")


@rule(
    "outputs and targets of a loss have one shape",
    stays_quiet="if one of the two is only repeated over the samples, as one target for all is",
)
def loss_broadcasts(evidence: Evidence) -> Iterator[Finding]:
    """Find losses, differences and products of a column with a row."""
    seen: set[object] = set()
    for operator in evidence.record.operators:
        is_loss = operator.name in LOSSES
        if not (is_loss or operator.name in DIFFERENCES | PRODUCTS) or not operator.places:
            continue
        pair = paired(operator)
        if is_loss and pair is None and operator.places[0] not in seen and repeats(operator):
            seen.add(operator.places[0])
            yield _repeated(operator)
        if pair is None or operator.places[0] in seen:
            continue
        if not is_loss and not _is_output_and_target(evidence, operator, *pair):
            continue
        seen.add(operator.places[0])
        yield _finding(evidence, operator, *pair, metric=False)


@rule(
    "predictions and labels have one shape where they are compared",
    stays_quiet="about pairs that the program arranges, such as masks of equal labels",
)
def comparison_broadcasts(evidence: Evidence) -> Iterator[Finding]:
    """Find predictions of shape [N, 1] that are compared with labels of shape [N]."""
    seen: set[object] = set()
    for operator in evidence.record.operators:
        if operator.name not in EQUALITIES or not operator.places:
            continue
        pair = paired(operator)
        if pair is None or operator.places[0] in seen:
            continue
        if _is_output_and_target(evidence, operator, *pair):
            seen.add(operator.places[0])
            yield _finding(evidence, operator, *pair, metric=True)


def _is_output_and_target(
    evidence: Evidence, operator: Operator, longer: Value, shorter: Value
) -> bool:
    """Return whether exactly one of both is predicted, and the pairs are then averaged."""
    if _pairs_on_purpose(evidence, operator, longer, shorter):
        return False
    one, other = _is_predicted(evidence, longer), _is_predicted(evidence, shorter)
    return one != other and _is_reduced(evidence, operator)


def _is_predicted(evidence: Evidence, value: Value) -> bool:
    """Return whether a network computed a value; without one, trained tensors and rows of data."""
    if evidence.record.passes.count:
        return evidence.flow.depends_on_network(value)
    before = evidence.flow.ancestors([value]) if value.requires_grad else ()
    return value in evidence.flow.reaching_backward and any(
        not v.requires_grad and v.shape[:1] == value.shape[:1] for v in before
    )


def _pairs_on_purpose(
    evidence: Evidence, operator: Operator, longer: Value, shorter: Value
) -> bool:
    """Return whether the program makes a column of outputs, as for distances of all pairs."""
    maker = evidence.record.producer(longer)
    if maker is None or operator.name in EQUALITIES:
        return False  # nobody compares each prediction with each label
    if maker.name not in ARRANGING:
        return maker.literals.get("keepdim") is True
    is_data = not evidence.flow.depends_on_network(longer)
    return not (is_data and evidence.flow.depends_on_network(shorter))


def _is_reduced(evidence: Evidence, operator: Operator) -> bool:
    """Return whether the pairs end in one number, and nothing picks some of them."""
    results = evidence.flow.descendants(operator.outputs)
    used = {o.number: o for value in results for o in evidence.flow.consumers(value)}
    if any(o.name in WORKS_ON_PAIRS for o in used.values()):
        return False
    shape = operator.outputs[0].shape if operator.outputs else ()
    reductions = [o for o in used.values() if o.name in {"mean", "sum", "count_nonzero"}]
    return any(
        o.outputs and o.outputs[0].shape == () and o.inputs and o.inputs[0].shape == shape
        for o in reductions
    )


def _repeated(operator: Operator) -> Finding:
    one, other = (list(value.shape) for value in operator.inputs[:2])
    return Finding(
        kind="loss/broadcast_loss",
        message=f"{operator.name} receives shapes {one} and {other}, and broadcasts the smaller",
        evidence=f"in {operator.places[0].text} several outputs of a sample are compared with the "
        "same number; torch warns about it",
        violates=(Law.NO_WARNINGS,),
        cause=location(operator.places),
        subject=f"{operator.places[0].text} in {operator.places[0].function}",
        cases=("loss/broadcast_mse_loss",),
        confidence=7,
    )


def _finding(
    evidence: Evidence, operator: Operator, longer: Value, shorter: Value, *, metric: bool
) -> Finding:
    result = broadcast(longer.shape, shorter.shape) or ()
    return Finding(
        kind="loss/broadcast_metric" if metric else "loss/broadcast_loss",
        message=f"{operator.name.strip('_')} pairs every element with every other: shapes "
        f"{list(longer.shape)} and {list(shorter.shape)} broadcast to {list(result)}",
        evidence=f"{math.prod(result)} pairs are compared instead of {math.prod(shorter.shape)} "
        f"in {operator.places[0].text}",
        violates=(Law.PERFECT_SCORES_ONE,)
        if metric
        else (Law.LOSS_AVERAGES_OVER_SAMPLES, Law.ONE_BATCH_CAN_BE_LEARNED),
        cause=location(operator.places),
        subject=f"{operator.places[0].text} in {operator.places[0].function}",
        cases=("loss/broadcast_accuracy",) if metric else ("loss/broadcast_mse_loss",),
        candidates=one_shape(evidence, operator, longer),
        confidence=8,
    )
