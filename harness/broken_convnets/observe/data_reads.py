"""What laws read from a subject's own data sets and loaders, each in one call.

A loader or a dataset cannot be sent to another process; what it yields can.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, Subset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.observe.subject import Subject


def epochs(subject: Subject, count: int) -> list[list[Any]]:
    """Return the batches of some epochs of the subject's loader."""
    loader = subject.call("example_loader")
    return [list(loader) for _ in range(count)]


def workers(subject: Subject) -> tuple[int, list[Any], list[Any]]:
    """Return how many workers the loader has, and its first sample, read twice.

    The third item is that sample as two workers read it, in the loader's own setup; empty without
    workers.
    """
    loader = subject.call("example_loader")
    if not loader.num_workers:
        return 0, [], []
    twice = [loader.dataset[0] for _ in range(2)]
    by_two = DataLoader(
        loader.dataset, sampler=[0, 0], num_workers=2, worker_init_fn=loader.worker_init_fn
    )
    return loader.num_workers, twice, list(by_two)


def split_indices(subject: Subject) -> list[list[int]]:
    """Return the indices of the training set and the validation set; empty unless Subsets."""
    parts = subject.call("example_split")
    if not all(isinstance(part, Subset) for part in parts):
        return []
    return [[int(index) for index in part.indices] for part in parts]


def validation(subject: Subject, times: int) -> list[list[Any]]:
    """Return each sample of the validation set, read a number of times."""
    _, samples = subject.call("example_split")
    return [[samples[number] for _ in range(times)] for number in range(len(samples))]


def pairs(subject: Subject, times: int) -> list[list[Any]]:
    """Return each image with its mask, read a number of times, as tensors.

    Folders are listed in an order that depends on their names: no program may rely on any.
    """
    with _shuffled_listings():
        found = subject.call("example_pairs")
        return [[_tensors(found[number]) for _ in range(times)] for number in range(len(found))]


def _tensors(pair: Any) -> tuple[torch.Tensor, ...]:
    return tuple(torch.as_tensor(value) for value in pair)


@contextlib.contextmanager
def _shuffled_listings() -> Iterator[None]:
    listdir, scandir = os.listdir, os.scandir

    def shuffled(folder: Any, names: list[Any], name_of: Any) -> list[Any]:
        if isinstance(folder, int):  # a descriptor, as `shutil.rmtree` uses
            return names
        base = os.path.basename(os.path.abspath(os.fspath(folder)))  # noqa: PTH100,PTH119  (bytes too)
        return sorted(names, key=lambda name: zlib.crc32(f"{base}/{name_of(name)}".encode()))

    def listed(folder: Any = ".") -> list[Any]:
        return shuffled(folder, listdir(folder), str)

    @contextlib.contextmanager
    def scanned(folder: Any = ".") -> Iterator[Any]:
        with scandir(folder) as entries:
            yield iter(shuffled(folder, list(entries), lambda entry: entry.name))

    os.listdir, os.scandir = listed, scanned  # type: ignore[assignment]  # without overloads
    try:
        yield
    finally:
        os.listdir, os.scandir = listdir, scandir
