"""kl_div and cross_entropy receive distributions, in the form that each one expects."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.log_probabilities import LAYERS, by_place
from broken_convnets.commands.diagnose.rules.loss.producers import (
    origin_of,
    producer,
    renamed,
    shown,
)
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.commands.diagnose.source import argument
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.losses import LossCall
    from broken_convnets.observe.recorder.recorded_events import Operator

SCALINGS = frozenset({"div", "mul", "__truediv__", "__mul__"})  # by a temperature
SEVERAL = 1.5  # the sum of a row that holds more than one class


@rule(
    "kl_div receives log-probabilities first, and probabilities second",
    stays_quiet="unless the input is probabilities, or the output of a layer",
)
def kl_div_arguments(evidence: Evidence) -> Iterator[Finding]:
    """Find probabilities, or logits, as the input of kl_div."""
    for calls in by_place(evidence, "kl_div"):
        call = calls[0]
        maker = _unscaled(evidence, call)
        softmax = maker is not None and maker.name == "softmax"
        bounded = all(one.input.within(0, 1) for one in calls)
        probabilities = bounded and (softmax or all(one.input.probabilities for one in calls))
        scores = maker is not None and maker.name in LAYERS
        logarithms = all(one.input.log_probabilities for one in calls)
        if not probabilities and (not scores or logarithms):
            continue
        what = "probabilities" if probabilities else "logits"
        cause = maker if softmax and probabilities and maker else call.operator
        low, high = call.input.minimum, call.input.maximum
        yield Finding(
            kind="loss/kl_div_input",
            message=f"the input of kl_div is {what}; it expects log-probabilities",
            evidence=f"the input has values from {low:.3g} to {high:.3g}"
            + (f", from {maker.name} at {shown(maker.places)}" if maker else ""),
            violates=(Law.ONE_BATCH_CAN_BE_LEARNED,),
            cause=location(origin_of(evidence, cause)),
            symptom=location(call.operator.places),
            subject=call.operator.places[0].text,
            cases=("loss/kl_div_on_probabilities",),
            candidates=candidates(*renamed(evidence, cause, "log_softmax", "LogSoftmax"))
            if softmax
            else _normalized(evidence, call),
            confidence=8,
        )


def _unscaled(evidence: Evidence, call: LossCall) -> Operator | None:
    """Return the operator that computed the input, before a division by a temperature."""
    maker = producer(evidence, call.operator.inputs[0])
    if maker is not None and maker.name in SCALINGS and len(maker.inputs) == 1:
        return producer(evidence, maker.inputs[0])
    return maker


def _normalized(evidence: Evidence, call: LossCall) -> tuple[Candidate, ...]:
    """Return the change that applies log_softmax to logits."""
    site = site_of(evidence, call.operator.places)
    given = argument(site.call, "input", 0) if site else None
    if site is None or given is None:
        return ()
    dim = 1 if len(call.input.shape) > 1 else 0
    new = f"{site.source.owner_text(given)}.log_softmax({dim})"
    return candidates((0, partial(edits.replace, site.source, [(given, new)])))


@rule(
    "the targets of cross_entropy name one class, or are a distribution",
    stays_quiet="about targets whose rows have the sum 1, and about weights that are not 0 and 1",
)
def several_classes_in_cross_entropy(evidence: Evidence) -> Iterator[Finding]:
    """Find targets with several classes at once in cross_entropy."""
    for calls in by_place(evidence, "cross_entropy"):
        call = calls[0]
        if not all(_is_multi_hot(one) for one in calls):
            continue
        sums = max(one.target.row_sums[1] for one in calls if one.target.row_sums)
        if sums < SEVERAL:
            continue
        new = ("binary_cross_entropy_with_logits", "BCEWithLogitsLoss")
        yield Finding(
            kind="loss/wrong_loss",
            message="a target has several classes, and cross_entropy applies a softmax over all",
            evidence=f"rows of the targets, of 0 and 1, have sums up to {sums:g}; "
            "binary_cross_entropy_with_logits treats each class on its own",
            violates=(Law.ONE_BATCH_CAN_BE_LEARNED,),
            cause=location(call.operator.places),
            subject=call.operator.places[0].text,
            candidates=candidates(*renamed(evidence, call.operator, *new)),
            confidence=7,
        )


def _is_multi_hot(call: LossCall) -> bool:
    target = call.target
    same = target.shape == call.input.shape and target.dtype.is_floating_point
    return same and target.integral and target.within(0, 1) and target.row_sums is not None
