"""Validation reads its images without random transforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.order import trains
from broken_convnets.commands.diagnose.sites import location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.loaders import Epoch, Loader

IMAGES = 4  # dimensions of a batch of images


@rule(
    "validation applies no random transform of the training",
    stays_quiet="about transforms that are not of torchvision, data without labels, several views "
    "of an image, and validation data whose random transforms the training does not share",
)
def augmented_validation(evidence: Evidence) -> Iterator[Finding]:
    """Find validation data with the random transforms of the training: random_split shares them."""
    loaders = evidence.record.loaders
    training = [one for one in loaders if any(trains(evidence, epoch) for epoch in one.epochs)]
    for loader in loaders:
        if loader in training or not any(_is_evaluated(evidence, e) for e in loader.epochs):
            continue
        shared = [name for one in training for name in _shared(one, loader)]
        if not shared:
            continue
        split = loader.dataset.positions is not None
        why = "both are parts of one dataset" if split else "both use the same transform"
        yield Finding(
            rule="augmented_validation",
            kind="training/augmented_validation",
            message="the validation images pass the random transforms of the training",
            evidence=f"{shared[0]} changes the images of the validation at random ({why})",
            cause=location(loader.places),
            subject=loader.places[0].text if loader.places else "",
            confidence=7,
        )
        return


def _shared(one: Loader, other: Loader) -> list[str]:
    """Return the random transforms, the same objects, that two datasets apply."""
    if one.dataset == other.dataset:
        return []  # how good the network is on the samples that it has learned
    return [name for key, name in one.dataset.random if (key, name) in other.dataset.random]


def _is_evaluated(evidence: Evidence, epoch: Epoch) -> bool:
    """Return whether a network in eval mode receives images of an epoch, one for each label."""
    first = epoch.values[0] if epoch.values else ()
    images = [value for value in first if len(value.shape) == IMAGES]
    labels = [v for v in first if len(v.shape) == 1 and not v.dtype.is_floating_point]
    if len(images) != 1 or not labels:
        return False
    passes = [p for p in evidence.record.passes if not p.training and p.parameters]
    return any(images[0] in p.received for p in passes)
