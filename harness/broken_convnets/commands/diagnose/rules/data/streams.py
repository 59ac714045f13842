"""The workers of a DataLoader share the samples of an IterableDataset."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.probing import seed_all
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import calls_named, location, require_success
from broken_convnets.observe.trees import tensors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

SAMPLES = 4  # that are compared
SPLITS = "get_worker_info"  # without which a dataset cannot know its part


@rule(
    "the workers of a DataLoader share the samples of an IterableDataset",
    stays_quiet="if the program calls get_worker_info, if the loader has a worker_init_fn, and "
    "about streams whose samples are random",
)
def every_worker_reads_all(evidence: Evidence) -> Iterator[Finding]:
    """Find streams that several workers read from the beginning, each of them all of it."""
    require_success(evidence)
    if any(calls_named(evidence, SPLITS)):
        return
    for loader in evidence.record.loaders:
        several = loader.dataset.iterable and loader.workers > 1 and not loader.worker_init
        if not several or not _is_fixed(evidence, loader.data):
            continue
        yield Finding(
            kind="data/same_seed_in_every_worker",
            message=f"each of the {loader.workers} workers yields all samples of {loader.type}, so "
            f"the program reads each sample {loader.workers} times",
            evidence=f"{loader.type} yields the same samples each time it is iterated, and never "
            f"asks torch.utils.data.{SPLITS}() for its part",
            cause=location(loader.places),
            subject=loader.type,
            confidence=8,
        )
        return


def _is_fixed(evidence: Evidence, dataset: Any) -> bool:
    """Return whether a stream begins with the same samples under two seeds."""
    if dataset is None or evidence.partial:
        return False
    first, second = (evidence.probing.run(lambda: _begin(dataset, seed)) for seed in range(2))  # noqa: B023  (called at once)
    if not first or not second or len(first) != len(second):
        return False
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def _begin(dataset: Any, seed: int) -> list[torch.Tensor]:
    copied = copy.deepcopy(dataset)
    seed_all(seed)
    return list(tensors(tuple(itertools.islice(iter(copied), SAMPLES))))
