"""Losses receive scores, probabilities or log-probabilities, as each one expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import (
    origin_of,
    producer,
    removals,
    renamed,
    shown,
)
from broken_convnets.commands.diagnose.sites import candidates, location
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.losses import LossCall
    from broken_convnets.observe.recorder.recorded_events import Operator

# Operators that return logits; others may mix logarithms on purpose.
LAYERS = frozenset(
    {"linear", "addmm", "matmul", "conv1d", "conv2d", "conv3d", "batch_norm", "relu"}
)
RANGE = "from {0:.3g} to {1:.3g}"


def by_place(evidence: Evidence, *names: str) -> list[list[LossCall]]:
    """Return the calls of loss functions, grouped by function and place."""
    groups: dict[object, list[LossCall]] = {}
    for call in evidence.record.losses:
        if call.name in names and call.operator.places:
            groups.setdefault((call.name, call.operator.place), []).append(call)
    return list(groups.values())


@rule(
    "nll_loss receives log-probabilities",
    stays_quiet="about inputs that are neither the output of a layer nor probabilities",
)
def nll_of_scores(evidence: Evidence) -> Iterator[Finding]:
    """Find logits or probabilities in nll_loss."""
    for calls in by_place(evidence, "nll_loss"):
        call = calls[0]
        maker = producer(evidence, call.operator.inputs[0])
        if any(one.input.row_logs is None or one.input.log_probabilities for one in calls):
            continue
        probabilities = all(one.input.probabilities for one in calls)
        scores = maker is not None and maker.name in LAYERS and call.input.classes > 1
        if not probabilities and not scores:
            continue
        what = "probabilities" if probabilities else "logits"
        logs = call.input.row_logs or (0.0, 0.0)
        softmax = maker if probabilities and maker and maker.name == "softmax" else None
        yield Finding(
            kind="loss/wrong_loss",
            message=f"nll_loss receives {what}; it expects the output of log_softmax",
            evidence=f"the values are {RANGE.format(call.input.minimum, call.input.maximum)}, and "
            f"logsumexp of a row is {logs[0]:.3g} where log_softmax has 0"
            + (f"; they come from {maker.name} at {shown(maker.places)}" if maker else ""),
            violates=(Law.ONE_BATCH_CAN_BE_LEARNED,),
            cause=location(origin_of(evidence, softmax or call.operator)),
            symptom=location(call.operator.places),
            subject=call.operator.places[0].text,
            cases=("loss/logits_passed_to_nll_loss",),
            candidates=_nll_fixes(evidence, call, maker, probabilities=probabilities),
            confidence=9,
        )


def _nll_fixes(
    evidence: Evidence, call: LossCall, maker: Operator | None, *, probabilities: bool
) -> tuple[Candidate, ...]:
    if not probabilities:
        return candidates(*renamed(evidence, call.operator, "cross_entropy", "CrossEntropyLoss"))
    if maker is None or maker.name != "softmax":
        return ()
    return candidates(*renamed(evidence, maker, "log_softmax", "LogSoftmax"))


@rule(
    "cross_entropy does not receive probabilities",
    stays_quiet="if any row of any call has another sum than 1",
)
def probabilities_in_cross_entropy(evidence: Evidence) -> Iterator[Finding]:
    """Find probabilities in cross_entropy that no known activation has computed."""
    for calls in by_place(evidence, "cross_entropy"):
        call = calls[0]
        maker = producer(evidence, call.operator.inputs[0])
        known = maker is not None and maker.name.rstrip("_") in {"softmax", "sigmoid", "tanh"}
        distinct = call.input.minimum > 0 or not call.input.integral
        if known or not distinct or not all(one.input.probabilities for one in calls):
            continue
        yield Finding(
            kind="training/softmax_before_ce",
            message="cross_entropy receives probabilities; it expects logits",
            evidence=f"each row has the sum 1 in {len(calls)} calls, with values "
            f"{RANGE.format(call.input.minimum, call.input.maximum)}"
            + (f", from {shown(maker.places)}" if maker else ""),
            violates=(Law.ONE_BATCH_CAN_BE_LEARNED,),
            cause=location((maker or call.operator).places),
            symptom=location(call.operator.places),
            subject=call.operator.places[0].text,
            cases=("loss/softmax_before_cross_entropy",),
            confidence=8,
        )


@rule(
    "an activation is not applied to its own output",
    stays_quiet="about softmax over two different dimensions",
)
def activation_twice(evidence: Evidence) -> Iterator[Finding]:
    """Find sigmoid(sigmoid(x)) and softmax(softmax(x)), wherever the two are."""
    seen: set[object] = set()
    for outer in evidence.record.operators:
        name = outer.name.rstrip("_")
        if name not in {"sigmoid", "softmax"} or not outer.places or outer.places[0] in seen:
            continue
        inner = producer(evidence, outer.inputs[0]) if outer.inputs else None
        if inner is None or inner.name.rstrip("_") != name or inner.place == outer.place:
            continue
        if _dimension(inner) != _dimension(outer):
            continue
        seen.add(outer.places[0])
        yield _twice(evidence, inner, outer)


def _dimension(operator: Operator) -> object:
    return operator.literals.get("dim", operator.literals.get(1))


def _twice(evidence: Evidence, inner: Operator, outer: Operator) -> Finding:
    places = origin_of(evidence, inner)
    return Finding(
        kind="training/softmax_before_ce",
        message=f"{outer.name} is applied to the output of {inner.name}",
        evidence=f"the first at {shown(places)}, the second at {shown(outer.places)}",
        violates=(Law.ONE_BATCH_CAN_BE_LEARNED,),
        cause=location(outer.places),
        symptom=location(places),
        subject=outer.places[0].text,
        candidates=candidates(*removals(evidence, outer), *removals(evidence, inner, 1)),
        confidence=8,
    )
