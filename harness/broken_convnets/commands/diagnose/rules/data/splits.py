"""Training shares no sample with validation."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.order import trains
from broken_convnets.commands.diagnose.rules.data.read_samples import (
    epochs_of_passes,
    is_trained_before,
    passes_trained_on,
)
from broken_convnets.commands.diagnose.rules.data.samples import Samples, below_subsets
from broken_convnets.commands.diagnose.sites import calls_named, location
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.loaders import Loader

LOADERS = 64  # whose datasets are compared
READ = 4  # samples that two equal datasets are compared by
ITEMS = 100_000  # of a list that is compared
PLAIN = (int, float, str, bool, bytes)


@rule(
    "samples of the validation are not among those of the training",
    stays_quiet="about loaders that read the same samples, all samples or a part of the other's, "
    "that are read for different networks or after a new initialization, or whose samples are "
    "trained on only later, and about parts of an own size with samples of the training and of a "
    "part that has none of it; only two parts that overlap are reported",
)
def overlapping_parts(evidence: Evidence) -> Iterator[Finding]:
    """Find a training part and a validation part of one dataset that share samples."""
    parts = [one for one in evidence.record.loaders if _positions(one) is not None]
    training = _training(evidence, parts)
    for one in training:
        for other in parts:
            mine, others = _positions(one) or set(), _positions(other) or set()
            shared = mine & others
            if other in training or not shared or mine <= others or others <= mine:
                continue
            if any(others == _positions(trained) for trained in training):
                continue  # it measures the accuracy of the training
            if any(_covers(other, one, third) for third in parts if third not in training):
                continue  # some of all samples, beside a proper validation
            if not have_equal_data(evidence, one, other, sorted(shared)):
                continue
            if not is_trained_before(evidence, one, other):
                continue
            split = _only_split(evidence) or location(other.places)
            yield _overlap(one, other, (len(shared), len(others)), split)
            return


def _covers(other: Loader, training: Loader, third: Loader) -> bool:
    """Return whether a part has samples of two that have none in common, and another size.

    The parts of a second random split have the sizes of the first one.
    """
    all_of = [_positions(one) or set() for one in (other, training, third)]
    apart = not all_of[1] & all_of[2]
    return apart and bool(all_of[0] & all_of[2]) and len(all_of[0]) not in map(len, all_of[1:])


def _training(evidence: Evidence, parts: list[Loader]) -> list[Loader]:
    """Return the loaders whose samples are trained on, also where operators were pushed out."""
    trained_on = passes_trained_on(evidence) if evidence.record.operators.omitted else set()
    epochs = {e for forward, e in epochs_of_passes(evidence).items() if forward in trained_on}
    return [one for one in parts if any(e in epochs or trains(evidence, e) for e in one.epochs)]


def _positions(loader: Loader) -> set[int] | None:
    """Return the indices that a part has by its Subset or its sampler; None for no part."""
    positions = loader.dataset.positions
    if positions is not None:
        return set(positions)
    if loader.sampler != "SubsetRandomSampler" or not loader.epochs:
        return None
    return set(loader.epochs[0].indices) or None


def parts_by_position(evidence: Evidence) -> list[Loader]:
    """Return the loaders that read parts of one dataset; none if they read different ones.

    Two datasets are the same one if they hold the same data, as with and without augmentation.
    """
    loaders = evidence.record.loaders[:LOADERS]
    parts = [one for one in loaders if _positions(one) is not None]
    first = next(iter(parts), None)
    others = {one.dataset.base: one for one in parts}.values()
    samples = list(range(READ))
    same = all(first and have_equal_data(evidence, first, one, samples) for one in others)
    return parts if same else []


def have_equal_data(evidence: Evidence, one: Loader, other: Loader, shared: list[int]) -> bool:
    """Return whether two loaders read one dataset, or two that hold and return the same."""
    if one.dataset.base == other.dataset.base:
        return True
    first, second = below_subsets(one.data), below_subsets(other.data)
    contents = _contents(first)
    if not contents or type(first) is not type(second) or contents != _contents(second):
        return False
    pairs = Samples.of_dataset(evidence, first), Samples.of_dataset(evidence, second)
    if pairs[0] is None or pairs[1] is None:
        return False
    for index in shared[:READ]:
        mine, others = pairs[0].read(index, 0), pairs[1].read(index, 1)
        if not mine or not _share_label(mine, others):
            return False
    return True


def _contents(dataset: Any) -> dict[str, object]:
    """Return what a dataset stores, as numbers, texts and checksums, without its transforms."""
    stored = {name: _summary(value) for name, value in getattr(dataset, "__dict__", {}).items()}
    return {name: value for name, value in stored.items() if value is not None}


def _summary(value: object) -> object:
    """Return plain values as they are, and arrays as shapes and checksums; None for the rest."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, torch.Tensor | np.ndarray):
        array = np.ascontiguousarray(np.asarray(value))
        return array.shape, zlib.crc32(array.view(np.uint8).reshape(-1))
    if isinstance(value, list | tuple) and len(value) <= ITEMS:
        items = tuple(_summary(item) for item in value)
        return None if None in items else items
    return None


def _share_label(first: tuple[torch.Tensor, ...], second: tuple[torch.Tensor, ...]) -> bool:
    """Return whether two samples are equal, or all but the first value, which may be augmented."""
    if len(first) != len(second):
        return False
    same = [a.shape == b.shape and torch.equal(a, b) for a, b in zip(first, second, strict=True)]
    return all(same) or (len(same) > 1 and all(same[1:]))


def _only_split(evidence: Evidence) -> Location | None:
    """Return where the program splits its data, if it does that at one line, more than once."""
    found = {Location(s.path, call.lineno) for s, call in calls_named(evidence, "random_split")}
    return found.pop() if len(found) == 1 else None


def _overlap(
    one: Loader, other: Loader, counts: tuple[int, int], split: Location | None
) -> Finding:
    shared, size = counts
    return Finding(
        kind="data/random_split_twice",
        message="the validation part contains samples of the training part",
        evidence=f"{shared} of the {size} validation samples are trained on as well, so the "
        "validation is better than it would be on new data",
        violates=(Law.SPLITS_DISJOINT,),
        cause=split,
        symptom=location(one.places),
        subject=other.places[0].text if other.places else "",
        cases=("data/random_split_twice",),
        confidence=7,
    )
