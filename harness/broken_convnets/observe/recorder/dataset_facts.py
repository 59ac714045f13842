"""What is known of a dataset without reading a sample: its length, its labels, its subsets."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from itertools import pairwise, starmap
from operator import le
from os.path import commonprefix
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, Subset, TensorDataset

from broken_convnets.observe.recorder.random_transforms import random_transforms

if TYPE_CHECKING:
    from collections.abc import Sequence

LENGTH = 100_000  # of labels and of subsets that are looked at
DEPTH = 8  # of subsets of subsets
LABELS = frozenset({"targets", "labels", "y", "classes"})
PAIR = 2  # files of one row
SHARE = 2  # samples of a class, at least, on average


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """Facts of one dataset.

    `base` tells the datasets below all subsets apart; `positions` are the indices into it that a
    subset has, None for no subset. `classes` is the number of different labels where they are
    stored in ascending order, else 0. `unpaired` are two lists of files that belong together by
    their names but are in different orders: the names of their attributes, and the first files
    that differ. `random` are the random transforms of torchvision, by identity and name.
    """

    base: int
    length: int | None
    iterable: bool
    positions: tuple[int, ...] | None
    classes: int
    unpaired: tuple[str, str, str, str] | None
    random: tuple[tuple[int, str], ...] = ()


class Datasets:
    """Numbers datasets by identity, without keeping them alive if that is possible."""

    def __init__(self) -> None:
        """Start with none."""
        self._known: list[Any] = []

    def facts(self, dataset: Any) -> DatasetFacts:
        """Return the facts of a dataset."""
        base, positions = _below_subsets(dataset)
        iterable = isinstance(dataset, IterableDataset)
        length = None if iterable else _length(dataset)
        return DatasetFacts(
            base=self._number(base),
            length=length,
            iterable=iterable,
            positions=positions,
            classes=_ordered_classes(base, positions) if length and not iterable else 0,
            unpaired=_unpaired(base) if not iterable else None,
            random=tuple(random_transforms(base).items()),
        )

    def _number(self, dataset: Any) -> int:
        for number, reference in enumerate(self._known):
            if (reference() if isinstance(reference, weakref.ref) else reference) is dataset:
                return number
        try:
            self._known.append(weakref.ref(dataset))
        except TypeError:  # a list
            self._known.append(dataset)
        return len(self._known) - 1


def _length(dataset: Any) -> int | None:
    try:
        return len(dataset)
    except (TypeError, NotImplementedError):
        return None


def _below_subsets(dataset: Any) -> tuple[Any, tuple[int, ...] | None]:
    positions: tuple[int, ...] | None = None
    for _ in range(DEPTH):
        if type(dataset) is not Subset or len(dataset.indices) > LENGTH:
            break
        own = [int(index) for index in dataset.indices]
        positions = tuple(own if positions is None else [own[index] for index in positions])
        dataset = dataset.dataset
    return dataset, positions


def _ordered_classes(dataset: Any, positions: tuple[int, ...] | None) -> int:
    """Return the number of classes if the labels of the samples ascend."""
    size = _length(dataset) or 0
    for labels in _label_lists(dataset, size):
        chosen = labels if positions is None else [labels[index] for index in positions]
        classes = len(set(chosen))
        ascend = all(starmap(le, pairwise(chosen)))
        if ascend and 1 < classes <= len(chosen) // SHARE:
            return classes
    return 0


def stored_labels(dataset: Any) -> list[list[int]]:
    """Return the columns of integers that a dataset holds, in the order of its samples."""
    base, positions = _below_subsets(dataset)
    columns = _label_lists(base, _length(base) or 0)
    if positions is None:
        return columns
    return [[labels[index] for index in positions] for labels in columns]


def labels_of(dataset: Any) -> list[int] | None:
    """Return the labels of the samples of a dataset or subset, if it stores them."""
    columns = stored_labels(dataset)
    return columns[0] if columns and all(one == columns[0] for one in columns) else None


def _label_lists(dataset: Any, size: int) -> list[list[int]]:
    """Return the integers that a dataset holds, one for each sample."""
    if not 1 < size <= LENGTH:
        return []
    if isinstance(dataset, TensorDataset):
        held: Sequence[Any] = dataset.tensors[1:]
    else:
        columns = dict(_columns(dataset))
        pairs = {n for n in columns if n.endswith("][1]") and f"{n[:-3]}[2]" not in columns}
        held = [v for n, v in columns.items() if n in LABELS or n in pairs]
    lists = [_integers(value) for value in held]
    return [found for found in lists if found is not None and len(found) == size]


def _integers(value: Any) -> list[int] | None:
    if isinstance(value, torch.Tensor | np.ndarray) and value.ndim == 1:
        value = value.tolist() if len(value) <= LENGTH else []
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        return None
    return value


def _unpaired(dataset: Any) -> tuple[str, str, str, str] | None:
    """Return two lists of files with the same names in different orders."""
    columns = [*_columns(dataset), *_rows(dataset)]
    lists = [(name, value, _stems(value)) for name, value in columns]
    named = [(name, value, stems) for name, value, stems in lists if stems]
    for number, (one, files, stems) in enumerate(named):
        for other, others, more in named[number + 1 :]:
            if _are_one_folder(one, files, others):
                continue
            if stems != more and sorted(stems) == sorted(more):
                at = next(
                    i for i, pair in enumerate(zip(stems, more, strict=True)) if len(set(pair)) > 1
                )
                return one, other, str(files[at]), str(others[at])
    return None


def _are_one_folder(name: str, files: Any, others: Any) -> bool:
    """Return whether the columns of rows have the same files: pairs of any two of them."""
    return "[...]" in name and set(map(str, files)) == set(map(str, others))


def _stems(value: Any) -> list[str]:
    """Return the names of different files without folder and suffix; none for anything else."""
    if not isinstance(value, list | tuple) or not 1 < len(value) <= LENGTH:
        return []
    if not all(isinstance(item, str | Path) and Path(item).suffix for item in value):
        return []
    stems = common_stems(value)
    return stems if len(set(stems)) == len(stems) else []


def common_stems(names: Sequence[str | Path]) -> list[str]:
    """Return names without folder, suffix, and what all of them begin or end with, as `_mask`.

    Digits are never cut off: they tell the files apart.
    """
    stems = [Path(name).stem for name in names]
    start = commonprefix(stems).rstrip("0123456789")  # noqa: RUF071  (of characters is right)
    backwards = commonprefix([stem[::-1] for stem in stems])  # noqa: RUF071  (as above)
    end = backwards[::-1].lstrip("0123456789")
    cut = [stem[len(start) : len(stem) - len(end)] for stem in stems]
    return cut if all(cut) else stems


def _columns(dataset: Any) -> list[tuple[str, Any]]:
    """Return the attributes of a dataset, and the columns of those that are lists of tuples."""
    found = _attributes(dataset)
    for name, value in list(found):
        rows = isinstance(value, list) and value and all(type(row) is tuple for row in value)
        if rows and len({len(row) for row in value}) == 1:
            columns = zip(*value[:LENGTH], strict=True)
            found += [(f"{name}[...][{at}]", list(column)) for at, column in enumerate(columns)]
    return found


def _rows(dataset: Any) -> list[tuple[str, Any]]:
    """Return the columns of lists whose rows are lists or dictionaries with two files each."""
    found: list[tuple[str, Any]] = []
    for name, rows in _attributes(dataset):
        first = rows[0] if isinstance(rows, list) and 0 < len(rows) <= LENGTH else None
        if not isinstance(first, list | dict) or not PAIR <= len(first) <= DEPTH:
            continue
        keys = _keys(first)
        alike = all(type(row) is type(first) and _keys(row) == keys for row in rows)
        files = [key for key in keys if isinstance(first[key], str | Path)] if alike else []
        if len(files) == PAIR:
            found += [(f"{name}[...][{key!r}]", [row[key] for row in rows]) for key in files]
    return found


def _keys(row: Any) -> list[Any]:
    return list(row) if isinstance(row, dict) else list(range(len(row)))


def _attributes(dataset: Any) -> list[tuple[str, Any]]:
    return list(getattr(dataset, "__dict__", {}).items())
