"""Training reads all samples, and in a new order in each epoch."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.loaders import Epoch, Loader

IMAGES = 4  # dimensions of a batch of images
REPEATS = 3  # of one batch
CASES = {
    "data/no_shuffle": "data/unshuffled_training_loader",
    "data/sampler_set_epoch": "data/distributed_sampler_without_set_epoch",
}


def trains(evidence: Evidence, epoch: Epoch) -> bool:
    """Return whether a backward pass depends on the first batches of an epoch."""
    used = evidence.flow.reaching_backward
    return any(value in used for batch in epoch.values for value in batch)


@rule(
    "training reads labels of all classes in a mixed order",
    stays_quiet="about loaders that shuffle or have a sampler, that nothing trains on, whose batch "
    "is the whole dataset, and datasets whose labels are mixed already",
)
def labels_in_order(evidence: Evidence) -> Iterator[Finding]:
    """Find training data that are sorted by class and read without shuffling."""
    for loader in {one.places: one for one in evidence.record.loaders}.values():
        facts = loader.dataset
        if loader.sampler != "SequentialSampler" or not facts.classes or _is_one_batch(loader):
            continue
        if not any(trains(evidence, epoch) and _has_labels(epoch) for epoch in loader.epochs):
            continue
        yield Finding(
            kind="data/no_shuffle",
            message="the training data are sorted by class, and the DataLoader does not shuffle",
            evidence=f"the {facts.length} labels of {facts.classes} classes ascend, so that a "
            f"batch of {loader.batch_size} has few classes",
            violates=(Law.EPOCHS_DIFFER,),
            cause=location(loader.places),
            subject=loader.places[0].text if loader.places else "",
            cases=("data/unshuffled_training_loader",),
            candidates=_shuffled(evidence, loader),
            confidence=7,
        )


def _is_one_batch(loader: Loader) -> bool:
    length, size = loader.dataset.length, loader.batch_size
    return length is None or size is None or length <= size


def _has_labels(epoch: Epoch) -> bool:
    values = epoch.values[0] if epoch.values else ()
    return any(len(v.shape) == 1 and not v.dtype.is_floating_point for v in values)


def _shuffled(evidence: Evidence, loader: Loader) -> tuple[Candidate, ...]:
    site = site_of(evidence, loader.places)
    if site is None:
        return ()
    change = partial(edits.set_argument, site.source, site.call, "shuffle", 2, "True")
    return candidates((0, change))


@rule(
    "training reads the samples in a new order in each epoch",
    stays_quiet="about single epochs, loaders of one batch, iterable datasets, data other than "
    "images, and recurrent networks",
)
def same_order_in_each_epoch(evidence: Evidence) -> Iterator[Finding]:
    """Find training loaders whose epochs are equal: no shuffling, or a seed in each epoch."""
    groups: dict[object, list[Loader]] = {}
    found = set()
    for loader in evidence.record.loaders:
        groups.setdefault((loader.places, loader.dataset, loader.part), []).append(loader)
    for group in groups.values():
        loader, every = group[0], [epoch for one in group for epoch in one.epochs]
        epochs = [e for e in every if e.batches > 1 and e.order and trains(evidence, e)]
        if len(epochs) < 2 or len({e.order for e in epochs}) > 1 or _is_one_batch(loader):  # noqa: PLR2004  (a comparison needs two)
            continue
        random = loader.sampler != "SequentialSampler"
        if (loader.part and not loader.part[1]) or loader.places in found:
            continue  # without shuffle, set_epoch() changes nothing
        if not random and (loader.dataset.classes or not _are_images(evidence, epochs[0])):
            continue
        found.add(loader.places)
        kind, how = _kind_and_reason(loader)
        yield Finding(
            kind=kind,
            message=f"training reads the samples in the same order in each epoch, {how}",
            evidence=f"{len(epochs)} epochs of {epochs[0].batches} batches draw the same indices, "
            f"beginning with {', '.join(map(str, epochs[0].indices[:5]))}",
            severity=Severity.ERROR if random else Severity.WARNING,
            violates=(Law.EPOCHS_DIFFER,),
            cause=location(epochs[0].places if loader.part else loader.places),
            symptom=location(loader.places if loader.part else epochs[0].places),
            subject=loader.places[0].text if loader.places else "",
            cases=(CASES[kind],),
            candidates=() if random else _shuffled(evidence, loader),
            confidence=6,
        )


def _kind_and_reason(loader: Loader) -> tuple[str, str]:
    """Return the kind of mistake, and why the epochs of a loader are equal."""
    if loader.sampler == "DistributedSampler":
        return "data/sampler_set_epoch", "because set_epoch() is not called with a new epoch"
    if loader.sampler == "SequentialSampler":
        return "data/no_shuffle", "unshuffled"
    return "data/no_shuffle", "although it shuffles: its generator is seeded again for each epoch"


def _are_images(evidence: Evidence, epoch: Epoch) -> bool:
    """Return whether a batch has images, and no network with a memory reads them."""
    types = {called.type for called in evidence.record.called}
    images = any(len(value.shape) == IMAGES for value in epoch.values[0])
    return images and not any(t.startswith(("RNN", "LSTM", "GRU")) for t in types)


@rule(
    "training reads more than the first batch",
    stays_quiet="about loaders that shuffle, iterable datasets, loaders of one batch, and loaders "
    "that are read further anywhere",
)
def first_batch_only(evidence: Evidence) -> Iterator[Finding]:
    """Find `next(iter(loader))` inside the training loop, which begins anew each time."""
    groups: dict[tuple[object, ...], list[tuple[Loader, Epoch]]] = {}
    for loader in evidence.record.loaders:
        for epoch in loader.epochs:
            key = (loader.dataset.base, loader.dataset.positions, loader.batch_size)
            groups.setdefault(key, []).append((loader, epoch))
    for pairs in groups.values():
        loader, epochs = pairs[0][0], [epoch for _, epoch in pairs]
        training = [epoch for epoch in epochs if trains(evidence, epoch)]
        if len(training) < REPEATS or any(epoch.batches > 1 for epoch in epochs):
            continue
        if _is_one_batch(loader) or not training[0].order or not _are_equal(training):
            continue
        yield Finding(
            kind="data/no_shuffle",
            message="training reads only the first batch: each step creates a new iterator",
            evidence=f"{len(training)} iterations over the DataLoader read one batch each, always "
            f"the same {loader.batch_size} of {loader.dataset.length} samples",
            violates=(Law.EPOCHS_DIFFER,),
            cause=location(training[0].places),
            subject=training[0].places[0].text if training[0].places else "",
            candidates=_shuffled(evidence, loader),
            confidence=8,
        )


def _are_equal(epochs: list[Epoch]) -> bool:
    return all(one.order == two.order for one, two in pairwise(epochs))


@rule(
    "a loader that is iterated yields a batch",
    stays_quiet="about iterable datasets, empty datasets, and loaders that keep the last batch",
)
def no_batch_at_all(evidence: Evidence) -> Iterator[Finding]:
    """Find loaders whose only batch is incomplete and dropped."""
    for loader in evidence.record.loaders:
        length, size = loader.dataset.length, loader.batch_size
        if not loader.drop_last or not length or not size or length >= size:
            continue
        if any(epoch.batches for epoch in loader.epochs):
            continue
        site = site_of(evidence, loader.places)
        yield Finding(
            kind="data/last_partial_batch",
            message="the DataLoader yields no batch: drop_last drops the only one",
            evidence=f"the dataset has {length} samples, fewer than batch_size={size}, and "
            f"drop_last=True; the loop over it runs 0 times",
            cause=location(loader.places),
            symptom=location(loader.epochs[0].places) if loader.epochs else None,
            subject=loader.places[0].text if loader.places else "",
            candidates=candidates(
                (0, partial(edits.set_argument, site.source, site.call, "drop_last", 8, "False"))
            )
            if site
            else (),
            confidence=8,
        )
