"""The workers of a DataLoader draw other random numbers in each epoch."""

from __future__ import annotations

import ast
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.order import trains
from broken_convnets.commands.diagnose.rules.data.samples import Samples
from broken_convnets.commands.diagnose.rules.data.seeding_functions import (
    Initializer,
    may_know_the_epoch,
)
from broken_convnets.commands.diagnose.sites import candidates, location_in, require_success
from broken_convnets.observe.recorder.places import is_user_file
from broken_convnets.observe.trees import tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.loaders import Loader

    Drawn = list[tuple[torch.Tensor, ...]]

WORKERS = 2
READS = 8  # of one sample, by each worker
SECONDS = 5  # that a worker may take for one sample
FRESH = "torch.initial_seed() % 2**32"
NARROW = ("random.seed", "np.random.seed", "numpy.random.seed")  # leave torch as it is


@rule(
    "the workers of a DataLoader draw other random numbers in each epoch",
    stays_quiet="unless training reads several epochs with workers that end with each of them, "
    "and the same worker_init_fn, which names nothing that changes, lets a worker read the same "
    "random values for two seeds of the epoch",
)
def epochs_draw_alike(evidence: Evidence) -> Iterator[Finding]:
    """Find a `worker_init_fn` with `np.random.seed(worker_id)`."""
    require_success(evidence)
    for loader in {one.places: one for one in evidence.record.loaders}.values():
        epochs = _epochs(evidence, loader)
        initializer = _initializer(evidence, loader) if epochs > 1 else None
        if initializer is None or may_know_the_epoch(evidence, initializer):
            continue
        samples = Samples.of(evidence, loader)
        if samples is not None and _repeats(evidence, loader):
            yield _finding(loader, initializer, epochs)
            return


def _epochs(evidence: Evidence, loader: Loader) -> int:
    """Return how many epochs begin with the same `worker_init_fn`; 0 if nothing trains on them."""
    if not loader.workers or loader.persistent or loader.worker_init is None:
        return 0
    alike = [one for one in evidence.record.loaders if one.worker_init == loader.worker_init]
    epochs = [epoch for one in alike if one.places == loader.places for epoch in one.epochs]
    return len(epochs) if any(trains(evidence, epoch) for epoch in epochs) else 0


def _initializer(evidence: Evidence, loader: Loader) -> Initializer | None:
    """Return the user's function that each worker calls first."""
    called: Any = loader.worker_init
    while isinstance(called, partial | MethodType):
        called = called.func if isinstance(called, partial) else called.__func__
    if not isinstance(called, FunctionType):
        called = vars(type(called)).get("__call__")
    code = getattr(called, "__code__", None)
    if code is None or not is_user_file(code.co_filename):
        return None
    source = evidence.source(code.co_filename)
    return None if source is None else Initializer.of(source, code)


def _repeats(evidence: Evidence, loader: Loader) -> bool:
    """Return whether two epochs read the same random values, and others without the function."""
    first, second, without = (
        evidence.probing.run(partial(_read, loader, seed, init))
        for seed, init in ((1, loader.worker_init), (2, loader.worker_init), (1, None))
    )
    if not first or not second or not without:
        return False
    workers = [first[worker::WORKERS] for worker in range(WORKERS)]
    is_random = not _equal(first[:WORKERS] * READS, first)
    return (
        is_random and _equal(first, second) and not _equal(*workers) and not _equal(first, without)
    )


def _read(loader: Loader, seed: int, initialize: Callable[[int], None] | None) -> Drawn:
    """Let each worker read one sample several times, in an epoch whose seed comes from torch."""
    torch.manual_seed(seed)
    batches = DataLoader(
        loader.data,
        sampler=[0] * (WORKERS * READS),
        batch_size=1,
        num_workers=WORKERS,
        worker_init_fn=initialize,
        timeout=SECONDS,
    )
    return [tuple(one.clone() for one in tensors(batch)) for batch in batches]


def _equal(first: Drawn, second: Drawn) -> bool:
    pairs = zip(first, second, strict=True)
    return all(len(one) == len(other) and all(map(torch.equal, one, other)) for one, other in pairs)


def _finding(loader: Loader, initializer: Initializer, epochs: int) -> Finding:
    seeding = initializer.seeding
    text = initializer.source.text_of(seeding) if seeding else initializer.name
    return Finding(
        kind="data",
        message=f"`{text}` seeds each worker with the same number in every epoch: all epochs "
        "draw the same random numbers",
        evidence=f"{loader.type} is read in {epochs} epochs by new workers; with two seeds of the "
        f"epoch, {READS} random values of sample 0 are the same in each of {WORKERS} workers, and "
        "others without worker_init_fn. torch.initial_seed() differs in each worker and epoch",
        cause=location_in(initializer.source, seeding or initializer.first),
        subject=text,
        candidates=_reseeded(initializer),
        confidence=8,
    )


def _reseeded(initializer: Initializer) -> tuple[Candidate, ...]:
    """Return the change that seeds NumPy and `random` with the seed of a worker by torch."""
    source = initializer.source
    seeds = [call for call in initializer.seeds if source.text_of(call.func) in NARROW]
    if seeds != initializer.seeds or any(len(call.args) != 1 for call in seeds):
        return ()
    if not any(_imports_torch(node) for node in source.statements):
        return ()
    changes = [(call.args[0], FRESH) for call in seeds]
    return candidates((0, partial(edits.replace, source, changes)))


def _imports_torch(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import) and any(
        a.asname is None and a.name == "torch" for a in node.names
    )
