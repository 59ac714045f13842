"""A loss receives predictions first and targets second, also where it accepts both orders."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.log_probabilities import by_place
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.commands.diagnose.source import argument
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.losses import LossCall
    from broken_convnets.observe.recorder.recorded_events import Operator

# Losses that treat predictions and targets of equal shape differently.
ASYMMETRIC = (
    *("binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy"),
    *("soft_margin_loss", "multilabel_soft_margin_loss"),
)


@rule(
    "a loss receives the predictions first and the targets second",
    stays_quiet="unless at each call the first is constant 0 and 1 (or -1), and the second has a "
    "graph",
)
def predictions_as_targets(evidence: Evidence) -> Iterator[Finding]:
    """Find `bce(labels, net(images))`, which does not raise."""
    for calls in by_place(evidence, *ASYMMETRIC):
        operator = calls[0].operator
        if not all(map(is_swapped, calls)) or not any(c.input.maximum == 1 for c in calls):
            continue
        yield Finding(
            kind="loss/wrong_loss",
            message=f"{operator.name} receives the targets first and the predictions second",
            evidence="the first argument is constant and has only the values of labels, "
            f"{calls[0].input.minimum:g} and 1; the second is computed by the network",
            violates=(Law.ONE_BATCH_CAN_BE_LEARNED,),
            cause=location(operator.places),
            subject=operator.places[0].text,
            candidates=_exchanged(evidence, operator),
            confidence=10,
        )


def is_swapped(call: LossCall) -> bool:
    """Return whether a loss received what looks like labels first, and the predictions second."""
    inputs = call.operator.inputs
    if len(inputs) < 2:  # noqa: PLR2004  (predictions and targets)
        return False
    labels = call.input.integral and call.input.within(-1, 1)
    return labels and not inputs[0].requires_grad and inputs[1].requires_grad


def _exchanged(evidence: Evidence, operator: Operator) -> tuple[Candidate, ...]:
    site = site_of(evidence, operator.places)
    first = argument(site.call, "input", 0) if site else None
    second = argument(site.call, "target", 1) if site else None
    if site is None or first is None or second is None:
        return ()
    texts = site.source.text_of(second), site.source.text_of(first)
    changes = list(zip((first, second), texts, strict=True))
    return candidates((0, partial(edits.replace, site.source, changes)))
