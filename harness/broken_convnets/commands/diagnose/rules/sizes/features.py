"""Rule: a Linear layer receives as many features as it was constructed for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose.analysis.failing import failed_call
from broken_convnets.commands.diagnose.analysis.sizes.features import explanations
from broken_convnets.commands.diagnose.analysis.sizes.formulas import formula_changes
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import Mismatch
from broken_convnets.commands.diagnose.analysis.sizes.wording import (
    constructed,
    described,
    layer_name,
    location_of,
    shape,
)
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.evidence import Evidence

SURE = -1  # a rank: a formula that is wrong by itself comes before other changes


@rule(
    "each Linear layer receives as many features as it was constructed for",
    stays_quiet="about functional calls with weights that no Linear layer has",
)
def linear_receives_other_features(evidence: Evidence) -> Iterator[Finding]:
    """Compare the last dimension of the input with in_features, and say how it came about."""
    failed = failed_call(evidence)
    found = _mismatch(evidence, failed) if failed else None
    if failed is None or found is None:
        return
    why = next(explanations(found))
    name = layer_name(evidence, found.layer)
    first = candidates(*((SURE, change) for change in formula_changes(evidence)))
    yield Finding(
        kind=why.kind,
        message=(
            f"{name} is constructed for {found.declared} features, "
            f"and receives {found.arriving}{why.short}"
        ),
        evidence=_evidence(found, why.text),
        cause=why.cause or location_of(evidence, found.construction) or location(failed.places),
        symptom=location(failed.places),
        subject=failed.message,
        module=name.rpartition(" ")[0],
        cases=why.cases,
        candidates=(*first, *why.candidates),
        confidence=8,
    )


def _evidence(found: Mismatch, text: str) -> str:
    evidence = found.evidence
    own = constructed(evidence, found.construction)
    shown = f"; the layer is {own}" if own else ""
    return (text or f"{shape(found.value)} is {described(evidence, found.made_by)}") + shown


def _mismatch(evidence: Evidence, failed: FailedCall) -> Mismatch | None:
    layer = failed.layer
    if not isinstance(layer, nn.Linear) or not failed.received:
        return None
    value = failed.received[0]
    if not value.shape or value.shape[-1] == layer.in_features:
        return None
    return Mismatch(
        evidence, failed, layer, "in_features", layer.in_features, value.shape[-1], value
    )
