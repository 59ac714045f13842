"""Each worker of a DataLoader draws random numbers of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.utils.data import DataLoader

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.samples import Samples
from broken_convnets.commands.diagnose.sites import location, require_success
from broken_convnets.observe.trees import tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.loaders import Loader

WORKERS = 2
SECONDS = 5  # that a worker may take for one sample


@rule(
    "each worker of a DataLoader draws random numbers of its own",
    stays_quiet="about loaders without workers, datasets that draw no random numbers, and those "
    "that cannot be copied",
)
def workers_draw_alike(evidence: Evidence) -> Iterator[Finding]:
    """Find a generator or a seed that every worker starts with: it repeats in every epoch too."""
    require_success(evidence)
    for loader in {one.places: one for one in evidence.record.loaders if one.workers}.values():
        samples = Samples.of(evidence, loader)
        if samples is None or not _is_random(samples):
            continue
        pair = evidence.probing.run(lambda: _read_by_two_workers(loader))  # noqa: B023  (called at once)
        if pair is None or not _equal(*pair):
            continue
        yield Finding(
            kind="data/same_seed_in_every_worker",
            message="every worker of the DataLoader draws the same random numbers",
            evidence=f"{WORKERS} workers return equal random values for sample 0 of {loader.type}, "
            "which differ when one process reads it twice; each epoch starts with the same state",
            violates=(Law.WORKERS_DIFFER,),
            cause=location(loader.places),
            subject=loader.places[0].text if loader.places else "",
            cases=("data/same_seed_in_every_worker",),
            confidence=8,
        )
        return


def _is_random(samples: Samples) -> bool:
    """Return whether a sample differs when one process reads it several times."""
    first, *others = (samples.read(0, seed) for seed in range(4))
    return bool(first) and all(others) and not all(_equal(first, other) for other in others)


def _read_by_two_workers(loader: Loader) -> tuple[tuple[torch.Tensor, ...], ...]:
    """Let two workers read the same sample, set up as those of the loader.

    They read the program's own dataset, since `worker_init_fn` may name it: a copy would not be
    the one that it seeds. Workers are processes of their own, so it stays as it is.
    """
    # Seeded, so that a worker that seeds itself from torch differs from the other as it would.
    torch.manual_seed(0)
    batches = DataLoader(
        loader.data,
        sampler=[0] * WORKERS,
        batch_size=1,
        num_workers=WORKERS,
        worker_init_fn=loader.worker_init,
        timeout=SECONDS,
    )
    first, second = (tuple(tensors(batch)) for batch in batches)
    return first, second


def _equal(first: tuple[torch.Tensor, ...], second: tuple[torch.Tensor, ...]) -> bool:
    """Return whether two samples have equal values; values may be None in neither."""
    if len(first) != len(second):
        return False
    pairs = zip(first, second, strict=True)
    return all(one.shape == other.shape and torch.equal(one, other) for one, other in pairs)
