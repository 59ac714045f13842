"""Targets are in the range that their loss expects, and outputs can reach them."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.log_probabilities import by_place
from broken_convnets.commands.diagnose.rules.loss.producers import (
    origin_of,
    producer,
    removals,
    renamed,
    shown,
)
from broken_convnets.commands.diagnose.rules.loss.swapped_arguments import is_swapped
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.commands.diagnose.source import argument
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.losses import LossCall
    from broken_convnets.observe.recorder.recorded_events import Operator

BINARY = ("binary_cross_entropy", "binary_cross_entropy_with_logits")
PAIRED = ("margin_ranking_loss", "cosine_embedding_loss")  # with two inputs before the target
SIGNED = ("soft_margin_loss", "hinge_embedding_loss", *PAIRED)
REGRESSION = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, math.inf), "softmax": (0.0, 1)}
OUTSIDE = 0.05  # of the targets' range that must be out of reach
WHITE = 255


@rule(
    "targets of a binary cross entropy are from 0 to 1",
    stays_quiet="if they are, even if the loss falls below 0",
)
def binary_targets_out_of_range(evidence: Evidence) -> Iterator[Finding]:
    """Find masks of 0 and 255, and class indices, in a binary loss."""
    for calls in by_place(evidence, *BINARY):
        call = next((c for c in calls if not c.target.within(0, 1) and c.target.count), None)
        if call is None or not call.target.finite or is_swapped(call):
            continue
        mask = call.target.maximum == WHITE
        yield Finding(
            kind="loss/mask_beyond_one_in_bce" if mask else "loss/target_out_of_range",
            message=f"the targets of {call.name} are from {call.target.minimum:g} to "
            f"{call.target.maximum:g}; it expects values from 0 to 1",
            evidence=f"so the loss has no lower bound, and falls below 0{_lowest(calls)}",
            violates=(Law.ONE_BATCH_CAN_BE_LEARNED,),
            cause=location(call.operator.places),
            subject=call.operator.places[0].text,
            candidates=_scaled(evidence, call) if mask else (),
            confidence=9,
        )


def _lowest(calls: list[LossCall]) -> str:
    values = [v.scalar for c in calls for v in c.operator.outputs if v.scalar is not None]
    low = min(values, default=0.0)
    return f": {low:.4g} in this run" if low < 0 else ""


def _scaled(evidence: Evidence, call: LossCall) -> tuple[Candidate, ...]:
    site = site_of(evidence, call.operator.places)
    target = argument(site.call, "target", 1) if site else None
    if site is None or target is None:
        return ()
    text = site.source.text_of(target)
    return candidates((0, partial(edits.replace, site.source, [(target, f"({text}) / 255")])))


@rule(
    "targets of margin losses are -1 and 1",
    stays_quiet="unless a target is 0",
)
def signed_targets(evidence: Evidence) -> Iterator[Finding]:
    """Find labels of 0 and 1 in a loss that expects -1 and 1."""
    for calls in by_place(evidence, *SIGNED):
        call = calls[0]
        zeros = sum(one.target.zeros for one in calls)
        if not zeros or not all(one.target.integral and one.target.within(0, 1) for one in calls):
            continue
        site = site_of(evidence, call.operator.places)
        position = 2 if call.name in PAIRED else 1
        target = argument(site.call, "target", position) if site else None
        fixes: tuple[Candidate, ...] = ()
        if site is not None and target is not None:
            text = f"2 * ({site.source.text_of(target)}) - 1"
            fixes = candidates((0, partial(edits.replace, site.source, [(target, text)])))
        yield Finding(
            kind="loss/target_out_of_range",
            message=f"the targets of {call.name} are 0 and 1; it expects -1 and 1",
            evidence=f"{zeros} targets are 0, which this loss does not treat as -1",
            violates=(Law.ONE_BATCH_CAN_BE_LEARNED,),
            cause=location(call.operator.places),
            subject=call.operator.places[0].text,
            candidates=fixes,
            confidence=8,
        )


@rule(
    "cross_entropy has two classes or more",
    stays_quiet="if any call at the place has more than one column",
)
def one_class(evidence: Evidence) -> Iterator[Finding]:
    """Find cross_entropy over one column, which is 0 whatever the network returns."""
    for calls in by_place(evidence, "cross_entropy", "nll_loss"):
        call = calls[0]
        if any(len(c.input.shape) < 2 or c.input.classes != 1 for c in calls):  # noqa: PLR2004  (a vector)
            continue
        yield Finding(
            kind="loss/wrong_loss",
            message=f"{call.name} receives one class, shape {list(call.input.shape)}: the loss is "
            "0 and nothing learns",
            evidence="softmax over one column is 1 for every input; one score for each sample "
            "needs binary_cross_entropy_with_logits",
            violates=(Law.EVERY_PARAMETER_LEARNS,),
            cause=location(call.operator.places),
            subject=call.operator.places[0].text,
            candidates=_binary(evidence, call),
            confidence=9,
        )


def _binary(evidence: Evidence, call: LossCall) -> tuple[Candidate, ...]:
    """Return the change to a binary loss, with targets of the output's shape and dtype."""
    site = site_of(evidence, call.operator.places)
    target = argument(site.call, "target", 1) if site else None
    new = renamed(evidence, call.operator, "binary_cross_entropy_with_logits", "BCEWithLogitsLoss")
    if site is None or target is None or not new:
        return ()
    score = argument(site.call, "input", 0)
    text = site.source.text_of(target)
    shape = f".view_as({site.source.text_of(score)})" if score is not None else ""
    change = (target, f"({text}).float(){shape}")
    found = []
    for rank, attempt in new:
        source, changes = attempt.args  # type: ignore[attr-defined]  # a partial of edits.replace
        if source is site.source:
            found.append((rank, partial(edits.replace, source, [*changes, change])))
    return candidates(*found)


@rule(
    "the output of a regression can reach its targets",
    stays_quiet="about outputs that no activation bounds, and targets hardly outside the bounds",
)
def output_cannot_reach_targets(evidence: Evidence) -> Iterator[Finding]:
    """Find a ReLU, sigmoid or tanh on the output, and targets outside of its range."""
    for calls in by_place(evidence, *REGRESSION):
        call = calls[0]
        maker = producer(evidence, call.operator.inputs[0])
        name = maker.name.rstrip("_") if maker else ""
        if maker is None or name not in RANGES or not call.operator.inputs[0].requires_grad:
            continue
        low, high = RANGES[name]
        least = min(one.target.minimum for one in calls)
        most = max(one.target.maximum for one in calls)
        margin = OUTSIDE * (most - least)
        if not (least < low - margin or most > high + margin) or not most > least:
            continue
        yield _unreachable(evidence, call, maker, (least, most))


def _unreachable(
    evidence: Evidence, call: LossCall, maker: Operator, targets: tuple[float, float]
) -> Finding:
    name = maker.name.rstrip("_")
    low, high = RANGES[name]
    places = origin_of(evidence, maker)
    reach = f"from {low:g} to {high:g}" if math.isfinite(high) else "0 or more"
    return Finding(
        kind="module/relu_on_the_output",
        message=f"{name} bounds the output, so it cannot reach the targets",
        evidence=f"{call.name} at {shown(call.operator.places)}: outputs are {reach}, targets from "
        f"{targets[0]:.3g} to {targets[1]:.3g}",
        violates=(Law.ONE_BATCH_CAN_BE_LEARNED,),
        cause=location(places),
        symptom=location(call.operator.places),
        subject=f"{call.name} after {name}",
        candidates=candidates(*removals(evidence, maker)),
        confidence=7,
    )
