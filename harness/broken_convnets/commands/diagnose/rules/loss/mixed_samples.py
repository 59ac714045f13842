"""Mixup and CutMix: the labels of two samples weigh as much as their pixels."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.mixtures import (
    PASTE,
    Mixture,
    is_permuted,
    mixture_of,
    normalized,
    weight_of,
)
from broken_convnets.commands.diagnose.rules.loss.pasted_shares import line_of_share
from broken_convnets.commands.diagnose.rules.loss.producers import producer
from broken_convnets.commands.diagnose.rules.loss.terms import terms
from broken_convnets.commands.diagnose.sites import location
from broken_convnets.observe.recorder.losses import LOSSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.mixtures import Weight
    from broken_convnets.commands.diagnose.rules.loss.terms import Term
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

CLOSE = 1e-3  # of weights that are equal
LOOKS = 16  # mixtures that are looked at
FAR = 0.1  # more than the rounding of a box to pixels


@rule(
    "samples that are mixed, and their labels, are mixed with the same weights",
    stays_quiet="unless the weights of the labels are exchanged, or differ from the area that was "
    "pasted by more than a tenth; and about labels that are not mixed",
)
def labels_mixed_with_other_weights(evidence: Evidence) -> Iterator[Finding]:
    """Find mixup whose loss weighs the label of a sample like the other sample."""
    pairs = [p for p in _pairs(evidence) if _differ(p[0].own, p[0].other, CLOSE)]
    exchanged = [p for p in pairs if not _differ(p[0].own, p[1].other, CLOSE)]
    pasted = [p for p in pairs if p[0].operator.name == PASTE and _differ(p[0].own, p[1].own, FAR)]
    if pairs and len(exchanged) == len(pairs):
        what = "CutMix" if pairs[0][0].operator.name == PASTE else "mixup"
        yield _finding(
            evidence,
            *exchanged[0],
            f"{what} weighs each label like the other sample",
            Severity.ERROR,
        )
    elif len(pasted) > 1:
        yield _finding(
            evidence,
            *pasted[0],
            "CutMix does not weigh the labels by the area that is pasted",
            Severity.WARNING,
        )


def _finding(
    evidence: Evidence, inputs: Mixture, labels: Mixture, message: str, severity: Severity
) -> Finding:
    share = line_of_share(evidence, inputs, labels)
    return Finding(
        kind="data/pairs_out_of_order",
        message=message,
        evidence=f"{inputs.operator.places[0].text} consists of {_shown(inputs)}, and "
        f"{labels.operator.places[0].text} of {_shown(labels)}",
        severity=severity,
        cause=share or location(labels.operator.places),
        symptom=location((labels if share else inputs).operator.places),
        subject=labels.operator.places[0].text,
        confidence=7,
    )


def _pairs(evidence: Evidence) -> Iterator[tuple[Mixture, Mixture]]:
    """Yield the mixtures of inputs, each with that of the labels in the loss of its output."""
    found = chain(_mixed_losses(evidence), _mixed_targets(evidence))
    for labels, output in islice(found, LOOKS):
        inputs = _mixed_inputs(evidence, output)
        if inputs is not None and inputs.operator.places and labels.operator.places:
            yield inputs, labels


def _mixed_losses(evidence: Evidence) -> Iterator[tuple[Mixture, Value]]:
    """Yield the sums of two losses of one output, for labels and for permuted labels."""
    for backward in evidence.record.backward_passes:
        found = [one for root in backward.roots for one in terms(evidence, root)]
        losses = [
            (one, operator)
            for one in found
            if (operator := evidence.record.producer(one.value)) is not None
            and operator.name in LOSSES
            and len(operator.inputs) > 1
        ]
        for one, first in losses:
            for two, second in losses:
                if first.inputs[0] is second.inputs[0] and is_permuted(
                    evidence, second.inputs[1], first.inputs[1]
                ):
                    weights = [weight_of(evidence, t.weights, t.factor) for t in (one, two)]
                    mixture = normalized(_sum_of(one, two) or first, *weights)
                    if mixture is not None:
                        yield mixture, first.inputs[0]


def _sum_of(one: Term, two: Term) -> Operator | None:
    """Return the operator that adds two terms."""
    both = [here for here, there in zip(one.path, two.path, strict=False) if here is there]
    return both[-1] if both else None


def _mixed_targets(evidence: Evidence) -> Iterator[tuple[Mixture, Value]]:
    """Yield the mixtures of labels that are the target of a loss."""
    for operator in evidence.record.operators:
        if operator.name in LOSSES and len(operator.inputs) > 1:
            mixture = mixture_of(evidence, producer(evidence, operator.inputs[1]))
            if mixture is not None:
                yield mixture, operator.inputs[0]


def _mixed_inputs(evidence: Evidence, output: Value) -> Mixture | None:
    """Return how the samples were mixed that an output was computed from."""
    seen = evidence.flow.ancestors([output])
    for forward in evidence.record.passes:
        if forward.parameters and not seen.isdisjoint(forward.returned):
            for value in forward.received:
                found = mixture_of(evidence, producer(evidence, value))
                if found is not None:
                    return found
    return None


def _differ(one: Weight, other: Weight, tolerance: float) -> bool:
    """Return whether two weights surely differ; False if they cannot be compared."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) > tolerance
    return one != other


def _shown(mixture: Mixture) -> str:
    """Return the weights as text."""
    own, other = mixture.own, mixture.other
    if isinstance(own, float) and isinstance(other, float):
        return f"{own:.3g} of a sample and {other:.3g} of the other one"
    exchanged = isinstance(own, tuple) and own[1]
    one, two = ("1 - weight", "weight") if exchanged else ("weight", "1 - weight")
    return f"({one}) of a sample and ({two}) of the other one"
