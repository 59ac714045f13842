"""Losses depend on scores, which have gradients, and not on decisions made from them."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.log_probabilities import by_place
from broken_convnets.commands.diagnose.rules.loss.producers import removals, shown
from broken_convnets.commands.diagnose.sites import candidates, location, require_success
from broken_convnets.observe.recorder.losses import LOSSES
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.losses import LossCall
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

# Operators whose gradient is 0 everywhere, or that have none.
STEPS = frozenset({"round", "floor", "ceil", "sign", "trunc", "heaviside"})
DECISIONS = frozenset({"argmax", "argmin", "argsort", "gt", "ge", "lt", "le", "__gt__", "__ge__"})
DECISIONS |= {"__lt__", "__le__", "eq", "__eq__", "bucketize"}


@rule(
    "the outputs that a loss receives have a gradient",
    stays_quiet="about losses that no backward pass depends on, and straight-through estimators",
)
def decisions_in_loss(evidence: Evidence) -> Iterator[Finding]:
    """Find argmax, a threshold or round() between the network and its loss."""
    require_success(evidence)
    seen: set[object] = set()
    for calls in by_place(evidence, *LOSSES):
        call = calls[0]
        step = _step_before(evidence, call)
        if step is None or step.places[0] in seen:
            continue
        seen.add(step.places[0])
        how = "has the gradient 0" if step.name.rstrip("_") in STEPS else "has no gradient"
        yield Finding(
            kind="training/graph_detached",
            message=f"{call.name} receives decisions, not scores: {step.name} {how}, so nothing "
            "learns from this loss",
            evidence=f"every way from the network to {call.name} at "
            f"{shown(call.operator.places)} leads through {step.places[0].text}",
            violates=(Law.EVERY_PARAMETER_LEARNS, Law.ONE_BATCH_CAN_BE_LEARNED),
            cause=location(step.places),
            symptom=location(call.operator.places),
            subject=step.places[0].text,
            candidates=_fixes(evidence, step),
            confidence=8,
        )


def _step_before(evidence: Evidence, call: LossCall) -> Operator | None:
    """Return the operator that all ways from a network to a loss lead through; None if not."""
    operator = call.operator
    results = set(operator.outputs)
    if not operator.grad_enabled or not operator.inputs:
        return None
    if results.isdisjoint(evidence.flow.reaching_backward):
        return None
    given = operator.inputs[0]
    if not evidence.flow.depends_on_network(given):
        return None
    outputs = evidence.flow.network_outputs
    waiting = [given]
    found: set[Value] = set()
    steps: list[Operator] = []
    while waiting:
        value = waiting.pop()
        if value in found:
            continue
        found.add(value)
        if _is_open(evidence, value, outputs):
            return None
        maker = evidence.record.producer(value)
        if maker is not None and not maker.grad_enabled:
            return None  # inside of a Function, which may have a gradient of its own
        if maker is not None and maker.name.rstrip("_") in STEPS | DECISIONS:
            steps.append(maker)
        elif maker is not None:
            waiting += maker.inputs
    placed = [s for s in steps if s.places and evidence.flow.depends_on_network(s.inputs[0])]
    return min(placed, key=lambda s: s.number, default=None)


def _is_open(evidence: Evidence, value: Value, outputs: set[Value]) -> bool:
    """Return whether a gradient, or an unknown function, leads from a value to a network."""
    unknown = value.operator is None or evidence.record.producer(value) is None
    return value in outputs or value.parameter or (unknown and value.requires_grad)


def _fixes(evidence: Evidence, step: Operator) -> tuple[Candidate, ...]:
    """Return the change that leaves out a threshold, or a rounding."""
    if step.name.rstrip("_") in STEPS:
        return candidates(*removals(evidence, step))
    source = evidence.source(step.places[0].file)
    node = source.expression_at(step.places[0]) if source else None
    if source is None or not isinstance(node, ast.Compare):
        return ()
    simple = isinstance(node.left, ast.Name | ast.Call | ast.Attribute | ast.Subscript)
    text = source.text_of(node.left) if simple else f"({source.text_of(node.left)})"
    return candidates((0, partial(edits.replace, source, [(node, text)])))
