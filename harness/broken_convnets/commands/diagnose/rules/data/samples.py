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

    def _read(self, index: int, seed: int) -> tuple[torch.Tensor, ...]:
        seed_all(seed)
        sample = self.dataset[index]
        values = sample.values() if isinstance(sample, dict) else sample
        items = list(values) if isinstance(sample, dict | tuple | list) else [sample]
        return tuple(tensor for item in items if (tensor := tensor_of(item)) is not None)
