"""Record each iteration over a DataLoader: which samples it reads, in which order."""

from __future__ import annotations

import sys
import weakref
import zlib
from collections import Counter
from dataclasses import dataclass, field
from math import isclose
from typing import TYPE_CHECKING, Any

from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, WeightedRandomSampler
from torch.utils.data.dataloader import _BaseDataLoaderIter

from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction
from broken_convnets.observe.recorder.dataset_facts import DatasetFacts, Datasets, labels_of
from broken_convnets.observe.recorder.places import user_places
from broken_convnets.observe.recorder.values import tensors_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Moment
    from broken_convnets.observe.recorder.values import Value, Values

EPOCHS = 1_000  # that are kept of one loader
BATCHES = 4  # of one epoch whose tensors are kept as values
INDICES = 200_000  # that are kept in all
ALIKE = 1e-6  # relative difference of two weights of one class
DATASETS = 16  # that stay alive


@dataclass(slots=True, eq=False)
class Epoch:
    """One iteration over a DataLoader.

    `indices` are those of the samples that it drew, in order; `order` is a checksum of all, also
    of those that are not kept, and 0 for an iterable dataset. `values` are the tensors of the
    first batches.
    """

    places: tuple[Place, ...]
    moment: Moment
    batches: int = 0
    indices: list[int] = field(default_factory=list)
    order: int = 0
    values: list[tuple[Value, ...]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Loader:
    """A DataLoader, where it is constructed, its dataset, and the epochs read from it.

    `data` is the dataset itself, where the options keep it alive, and `worker_init` is called
    in each worker. `weights` is the number of weights of a WeightedRandomSampler. `class_weights`
    are the size of each class, and the weight that the sampler has for all of its samples. `part`
    is the rank of a DistributedSampler, and whether it shuffles.
    """

    type: str  # of its dataset
    batch_size: int | None
    sampler: str
    workers: int
    drop_last: bool
    places: tuple[Place, ...]
    dataset: DatasetFacts
    persistent: bool = False  # whether its workers stay for all epochs
    data: Any = None
    worker_init: Callable[[int], None] | None = None
    weights: int | None = None
    part: tuple[int, bool] | None = None
    class_weights: dict[int, tuple[int, float]] = field(default_factory=dict)
    epochs: list[Epoch] = field(default_factory=list)


class Loaders:
    """Stands in for `DataLoader.__iter__` and for the iterators' `__next__` and `_next_index`."""

    def __init__(self, record: Record, values: Values) -> None:
        """Start with no loader known."""
        self._record = record
        self._values = values
        self._datasets = Datasets()
        self._known: weakref.WeakKeyDictionary[Any, Loader] = weakref.WeakKeyDictionary()
        self._begun: weakref.WeakKeyDictionary[Any, Epoch] = weakref.WeakKeyDictionary()
        self._kept = 0  # indices
        self._alive: list[Any] = []  # datasets

    def patch(self, patches: Patches) -> None:
        """Stand in for the methods."""
        patches.replace(DataLoader, "__iter__", self._iterating)
        patches.replace(_BaseDataLoaderIter, "__next__", self._reading)
        patches.replace(_BaseDataLoaderIter, "_next_index", self._drawing)

    def _iterating(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def __iter__(loader: Any) -> Iterator[Any]:  # noqa: N807  (tracebacks show the name)
            earlier = getattr(loader, "_iterator", None)
            if earlier is not None:  # with persistent workers it is used again
                self._begun.pop(earlier, None)
            iterator: Iterator[Any] = original(loader)
            if self._record.active:
                self._note(loader, iterator)
            return iterator

        return __iter__

    def _reading(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def __next__(iterator: Any) -> Any:  # noqa: N807  (tracebacks show the name)
            self._record.reads_sample = True
            try:
                batch = original(iterator)
            finally:
                self._record.reads_sample = False
            epoch = self._begun.get(iterator)
            if epoch is not None:
                epoch.batches += 1
                if len(epoch.values) < BATCHES:
                    with NoDispatch(), NoFunction():
                        epoch.values.append(tuple(map(self._values.of, tensors_in(batch))))
            return batch

        return __next__

    def _drawing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def _next_index(iterator: Any) -> Any:
            drawn = original(iterator)
            indices = drawn if isinstance(drawn, list) else [drawn]
            if all(type(index) is int for index in indices):
                self._note_indices(self._epoch_of(iterator), indices)
            return drawn

        return _next_index

    def _epoch_of(self, iterator: Any) -> Epoch:
        """Return the epoch of an iterator; if there are workers, it draws before it is known."""
        return self._begun.setdefault(iterator, Epoch((), self._record.moment))

    def _note_indices(self, epoch: Epoch, indices: list[int]) -> None:
        epoch.order = zlib.crc32(repr(indices).encode(), epoch.order)
        if self._kept < INDICES:
            self._kept += len(indices)
            epoch.indices += indices

    def _note(self, loader: Any, iterator: Any) -> None:
        try:
            found = self._known.get(loader)
            if found is None:
                found = self._known[loader] = self._loader(loader)
                self._record.loaders.append(found)
            if len(found.epochs) < EPOCHS:
                epoch = self._epoch_of(iterator)
                epoch.places = user_places(sys._getframe(2))  # noqa: SLF001  (no public equivalent)
                found.epochs.append(epoch)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)

    def _loader(self, loader: Any) -> Loader:
        built = self._record.construction(loader)
        with NoDispatch(), NoFunction():
            facts = self._datasets.facts(loader.dataset)
        return Loader(
            type=type(loader.dataset).__name__,
            batch_size=loader.batch_size,
            sampler=_sampler(loader),
            workers=loader.num_workers,
            drop_last=bool(loader.drop_last),
            places=built.places if built else (),
            dataset=facts,
            persistent=bool(loader.persistent_workers),
            data=self._kept_alive(loader.dataset),
            worker_init=loader.worker_init_fn,
            weights=_number_of_weights(loader.sampler),
            part=_part(loader.sampler),
            class_weights=_class_weights(loader),
        )

    def _kept_alive(self, dataset: Any) -> Any:
        """Return a dataset to keep, or None if the options or their number forbid it."""
        if not self._record.options.datasets:
            return None
        if not any(one is dataset for one in self._alive):
            if len(self._alive) >= DATASETS:
                return None
            self._alive.append(dataset)
        return dataset


def _sampler(loader: Any) -> str:
    """Return the class of what draws the samples: a BatchSampler draws from another one."""
    batches = loader.batch_sampler
    sampler = batches.sampler if type(batches) is BatchSampler else loader.sampler
    return type(sampler).__name__


def _class_weights(loader: Any) -> dict[int, tuple[int, float]]:
    """Return the size of each class and the weight of its samples, if that is the same for all."""
    if not isinstance(loader.sampler, WeightedRandomSampler):
        return {}
    weights: list[float] = loader.sampler.weights.tolist()
    labels = labels_of(loader.dataset)
    if labels is None or len(labels) != len(weights):
        return {}
    sizes, found = Counter(labels), dict(zip(labels, weights, strict=True))
    same = all(
        isclose(found[label], weight, rel_tol=ALIKE)
        for label, weight in zip(labels, weights, strict=True)
    )
    return {label: (sizes[label], weight) for label, weight in found.items()} if same else {}


def _number_of_weights(sampler: Any) -> int | None:
    return len(sampler.weights) if isinstance(sampler, WeightedRandomSampler) else None


def _part(sampler: Any) -> tuple[int, bool] | None:
    is_part = isinstance(sampler, DistributedSampler)
    return (sampler.rank, bool(sampler.shuffle)) if is_part else None
