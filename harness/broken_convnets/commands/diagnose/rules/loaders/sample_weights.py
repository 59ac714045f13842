"""A WeightedRandomSampler has one weight for each sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import calls_named, location, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Location


@rule(
    "WeightedRandomSampler has one weight for each sample",
    stays_quiet="about datasets without a length",
)
def weights_of_classes(evidence: Evidence) -> Iterator[Finding]:
    """Find samplers that received the weights of the classes: they draw the first samples only."""
    for loader in evidence.record.loaders:
        weights, samples = loader.weights, loader.dataset.length
        if weights is None or samples is None or weights >= samples:
            continue
        drawn = {index for epoch in loader.epochs for index in epoch.indices}
        yield Finding(
            kind="data/sampler_and_shuffle",
            message=f"WeightedRandomSampler has {weights} weights for {samples} samples, and draws "
            f"only the first {weights} samples",
            evidence=f"{len(drawn)} different samples were drawn in {len(loader.epochs)} epochs; "
            "it needs one weight for each sample: `class_weights[labels]`",
            cause=_constructed(evidence) or location(loader.places),
            subject="weights",
            confidence=10,
        )
        return


def _constructed(evidence: Evidence) -> Location | None:
    """Return the only call in the program that constructs such a sampler."""
    found = list(calls_named(evidence, "WeightedRandomSampler"))
    return location_in(*found[0]) if len(found) == 1 else None
