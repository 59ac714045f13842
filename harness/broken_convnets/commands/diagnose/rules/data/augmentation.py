"""Validation reads its images without random transforms."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.order import trains
from broken_convnets.commands.diagnose.rules.data.plain_copies import with_plain_transform
from broken_convnets.commands.diagnose.rules.data.random_choices import augments, user_transforms
from broken_convnets.commands.diagnose.rules.data.samples import Samples, below_subsets
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.loaders import Epoch, Loader

# Samplers that read all samples of a dataset.
ALL = frozenset(
    {"SequentialSampler", "RandomSampler", "WeightedRandomSampler", "DistributedSampler"}
)
IMAGES = 4  # dimensions of a batch of images


@rule(
    "validation applies no random transform of the training",
    stays_quiet="about data without labels, several views of an image, validation data whose "
    "random transforms the training does not share, and random changes in a dataset of the "
    "program that are switched somewhere, or made without a condition, as noise of the task",
)
def augmented_validation(evidence: Evidence) -> Iterator[Finding]:
    """Find validation data with the random transforms of the training: random_split shares them."""
    loaders = evidence.record.loaders
    training = [one for one in loaders if any(trains(evidence, epoch) for epoch in one.epochs)]
    for loader in loaders:
        if loader in training or not any(is_evaluated(evidence, e) for e in loader.epochs):
            continue
        shared = [name for one in training for name in _shared(one, loader)]
        shared = shared or _by_hand(evidence, training, loader)
        if not shared:
            continue
        split = any(_are_parts(one, loader) for one in training)
        why = "both are parts of one dataset" if split else "both use the same transform"
        yield Finding(
            kind="training/augmented_validation",
            message="the validation images pass through the random transforms of the training",
            evidence=f"{shared[0]} changes the images of the validation at random ({why})",
            cause=location(loader.places),
            subject=loader.places[0].text if loader.places else "",
            candidates=_plain(evidence, loader),
            confidence=7,
        )
        return


def _plain(evidence: Evidence, loader: Loader) -> tuple[Candidate, ...]:
    """Return the change that constructs a separate dataset for the validation."""
    site = site_of(evidence, loader.places)
    kind = type(below_subsets(loader.data)).__name__
    if site is None:
        return ()
    plain = partial(with_plain_transform, site, kind)
    return candidates((0, plain), (1, partial(plain, without=True)))


def _shared(one: Loader, other: Loader) -> list[str]:
    """Return the random transforms, the same objects, that two datasets apply."""
    if one.dataset.base == other.dataset.base and _reads_the_same(one, other):
        return []  # how good the network is on the samples that it has learned
    return [name for key, name in one.dataset.random if (key, name) in other.dataset.random]


def _are_parts(one: Loader, other: Loader) -> bool:
    """Return whether two loaders read different samples of one dataset, by Subset or sampler."""
    if one.dataset.base != other.dataset.base:
        return False
    both = one.dataset.positions, other.dataset.positions
    return (both[0] is None) == (both[1] is None) and not _reads_the_same(one, other)


def _reads_the_same(one: Loader, other: Loader) -> bool:
    """Return whether a loader reads only samples of another one, or may do so."""
    first, second = one.dataset.positions, other.dataset.positions
    if first != second:
        return second is not None and first is not None and set(second) <= set(first)
    if {one.sampler, other.sampler} & ALL:
        return True
    mine, others = ({i for e in loader.epochs for i in e.indices} for loader in (one, other))
    return not mine or not others or not mine.isdisjoint(others)


def _by_hand(evidence: Evidence, training: list[Loader], loader: Loader) -> list[str]:
    """Return the name of what changes samples at random that the training shares."""
    data, own = below_subsets(loader.data), user_transforms(below_subsets(loader.data))
    if loader.dataset.random or _has_several_views(evidence, training, loader):
        return []
    others = [one for one in training if one.dataset.base != loader.dataset.base]
    bases = [below_subsets(one.data) for one in others]
    shared = any(_are_parts(one, loader) for one in training) or any(
        own.keys() & user_transforms(base).keys() for base in bases
    )
    if not shared and not any(type(base) is type(data) for base in bases):
        return []
    samples = Samples.of(evidence, loader)
    name = augments(evidence, data, samples, crops=shared) if samples else ""
    return [name] if name else []


def _has_several_views(evidence: Evidence, training: list[Loader], loader: Loader) -> bool:
    """Return whether samples are always read several times in a row, to average the outputs."""
    loaders = [one for one in evidence.record.loaders if one.dataset == loader.dataset]
    epochs = [epoch for one in loaders if one not in training for epoch in one.epochs]
    steps = Counter(epoch.moment.optimizer_steps for epoch in epochs)
    return all(times > 1 for times in steps.values())


def is_evaluated(evidence: Evidence, epoch: Epoch) -> bool:
    """Return whether a network in eval mode receives images of an epoch, one for each label."""
    first = epoch.values[0] if epoch.values else ()
    images = [value for value in first if len(value.shape) == IMAGES]
    labels = [v for v in first if len(v.shape) == 1 and not v.dtype.is_floating_point]
    if len(images) != 1 or not labels:
        return False
    passes = [p for p in evidence.record.passes if not p.training and p.parameters]
    return any(images[0] in p.received for p in passes)
