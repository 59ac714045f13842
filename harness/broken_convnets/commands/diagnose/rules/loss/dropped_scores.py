"""Dropout applies to features, not to the scores of the classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.log_probabilities import by_place
from broken_convnets.commands.diagnose.rules.loss.producers import (
    constructor_places,
    producer,
    removals,
    shown,
)
from broken_convnets.commands.diagnose.sites import candidates, location
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

LAYERS = frozenset({"linear", "conv1d", "conv2d", "conv3d"})
SCORED = ("cross_entropy", "binary_cross_entropy_with_logits")


@rule(
    "the scores that a loss receives have passed no dropout",
    stays_quiet="unless a layer with weights computed them directly before the dropout",
)
def scores_are_dropped(evidence: Evidence) -> Iterator[Finding]:
    """Find dropout between the last layer and a loss of classes."""
    seen: set[object] = set()
    for calls in by_place(evidence, *SCORED):
        call = calls[0]
        dropout = producer(evidence, call.operator.inputs[0])
        if dropout is None or dropout.name != "dropout" or not dropout.inputs:
            continue
        layer = producer(evidence, dropout.inputs[0])
        places = constructor_places(evidence, dropout) or dropout.places
        if layer is None or layer.name not in LAYERS or not places or places[0] in seen:
            continue
        seen.add(places[0])
        share = call.input.zeros / max(1, call.input.count)
        yield Finding(
            kind="training/not_learning",
            message=f"dropout sets scores of {call.name} to 0, those of the right class too",
            evidence=f"{call.name} at {shown(call.operator.places)} receives what {layer.name} at "
            f"{shown(layer.places)} returns after dropout: {share:.0%} of the scores are 0",
            violates=(Law.ONE_BATCH_CAN_BE_LEARNED,),
            cause=location(places),
            symptom=location(call.operator.places),
            subject=places[0].text,
            candidates=candidates(*removals(evidence, dropout)),
            confidence=7,
        )
