"""Read samples of a copy of a dataset again, with random numbers of its own for each read."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch.utils.data import Subset

from broken_convnets.commands.diagnose.probing import seed_all
from broken_convnets.commands.diagnose.rules.data.pictures import tensor_of
from broken_convnets.observe.recorder.reachable import arrays_in

if TYPE_CHECKING:
    import torch

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.loaders import Loader

BYTES = 1 << 26  # of what a dataset holds that is copied
DEPTH = 8  # of subsets of subsets
SEEDS = 8  # of random numbers that a sample is read with


def below_subsets(dataset: Any) -> Any:
    """Return the dataset that a Subset, or a Subset of one, reads."""
    for _ in range(DEPTH):
        if not isinstance(dataset, Subset):
            break
        dataset = dataset.dataset
    return dataset


@dataclass(frozen=True)
class Samples:
    """A copy of a loader's dataset. The program is over, and the dataset stays as it was."""

    evidence: Evidence
    dataset: Any

    @classmethod
    def of(cls, evidence: Evidence, loader: Loader) -> Samples | None:
        """Copy the dataset of a loader; None if it is gone, too large, or not indexed."""
        return None if loader.dataset.iterable else cls.of_dataset(evidence, loader.data)

    @classmethod
    def of_dataset(cls, evidence: Evidence, dataset: Any) -> Samples | None:
        """Copy a dataset; None if it is None or too large, or the program is not over."""
        if evidence.partial or dataset is None:
            return None
        if sum(array.nbytes for _, array in arrays_in(dataset)) > BYTES:
            return None
        copied = evidence.probing.run(lambda: copy.deepcopy(dataset))
        return None if copied is None else cls(evidence, copied)

    def read(self, index: int, seed: int) -> tuple[torch.Tensor, ...]:
        """Return the tensors of a sample, in order; none if reading it raises.

        Arrays, PIL images and numbers become tensors. Raises NotApplicable if the processor time
        of all probes is spent.
        """
        found = self.evidence.probing.run(lambda: self._read(index, seed))
        return () if found is None else found

    def read_leaves(self, index: int, seed: int) -> tuple[torch.Tensor, ...]:
        """Return the tensors of a sample as `read` does, also those of a mapping inside."""
        found = self.evidence.probing.run(lambda: self._read(index, seed, depth=2))
        return () if found is None else found

    def is_random(self, index: int = 0) -> bool:
        """Return whether the first value of a sample differs from read to read, and no other."""
        reads = [self.read(index, seed) for seed in range(SEEDS)]
        first, *others = reads
        if not first or any(len(read) != len(first) for read in others):
            return False
        if any(not _is_equal(a, b) for r in others for a, b in zip(first[1:], r[1:], strict=True)):
            return False
        return any(not _is_equal(first[0], read[0]) for read in others)

    def _read(self, index: int, seed: int, depth: int = 1) -> tuple[torch.Tensor, ...]:
        seed_all(seed)
        items = _items(self.dataset[index], depth)
        return tuple(tensor for item in items if (tensor := tensor_of(item)) is not None)


def _is_equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and bool((one == other).all())


def _items(sample: Any, depth: int) -> list[Any]:
    if not depth or not isinstance(sample, dict | tuple | list):
        return [sample]
    values = sample.values() if isinstance(sample, dict) else sample
    if depth == 1:
        return list(values)
    return [one for v in values for one in (_items(v, 1) if isinstance(v, dict) else [v])]
