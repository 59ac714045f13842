"""Find datasets that modify what they store, so that a sample differs when it is read again."""

from __future__ import annotations

import copy
import random
import sys
import warnings
import weakref
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data.dataloader import _BaseDataLoaderIter, _SingleProcessDataLoaderIter

from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction
from broken_convnets.observe.recorder.mode_stack import take_off_stack
from broken_convnets.observe.recorder.places import Place, is_user_file, place_of
from broken_convnets.observe.recorder.reachable import Array, State, arrays_in, state_of
from broken_convnets.observe.recorder.values import tensors_in
from broken_convnets.observe.seeding import seed_torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from broken_convnets.observe.recorder.operators import OperatorMode
    from broken_convnets.observe.recorder.patches import Patches
    from broken_convnets.observe.recorder.record import Record

BATCHES = 6  # of one dataset that are watched
SAMPLES = 3  # that are read again
COPIED = 1 << 26  # bytes of what a dataset holds


@dataclass(frozen=True, slots=True)
class RewrittenData:
    """A sample that is another one when it is read again, all random numbers being the same.

    `array` is what was written to, such as `images`; `place` is the line that writes. `means` are
    those of the first tensor of the sample, read once and twice.
    """

    dataset: str
    index: int
    array: str
    place: Place
    means: tuple[float, float]


class StoredData:
    """Compares what datasets hold before and after they are read in this process.

    If that has changed, copies of the dataset are read again to see whether it matters: a cache
    that was filled, or a counter, changes no sample.
    """

    def __init__(self, record: Record, operators: OperatorMode | None) -> None:
        """Start with no dataset known."""
        self._record = record
        self._operators = operators
        self._watched: dict[int, tuple[weakref.ref[Any], int]] = {}
        self._contents: dict[int, list[Array]] = {}  # before the first batch

    def patch(self, patches: Patches) -> None:
        """Stand in for the `__next__` of the iterators of loaders."""
        patches.replace(_BaseDataLoaderIter, "__next__", self._standing_in)

    def _standing_in(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def __next__(iterator: Any) -> Any:  # noqa: N807  (tracebacks show the name)
            held = self._held(iterator)
            batch = original(iterator)
            if held:
                self._compare(iterator, held)
            return batch

        return __next__

    def _held(self, iterator: Any) -> list[tuple[Array, State]]:
        """Return what the dataset holds, while it is watched."""
        if not self._record.active or not isinstance(iterator, _SingleProcessDataLoaderIter):
            return []
        try:
            dataset = iterator._dataset  # noqa: SLF001  (no public equivalent)
            if isinstance(dataset, list | tuple):
                return []  # only its own code modifies what it stores
            reference, batches = self._watched.get(id(dataset), (weakref.ref(dataset), 0))
            batches = batches if reference() is dataset else 0
            self._watched[id(dataset)] = weakref.ref(dataset), batches + 1
            if batches >= BATCHES or not hasattr(dataset, "__getitem__"):
                return []
            with NoDispatch(), NoFunction():
                held = [array for _, array in arrays_in(dataset)]
                if not batches and sum(array.nbytes for array in held) <= COPIED:
                    self._contents[id(dataset)] = [_copied(array) for array in held]
                return [(array, state_of(array)) for array in held]
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)
            return []

    def _compare(self, iterator: Any, held: list[tuple[Array, State]]) -> None:
        try:
            with NoDispatch(), NoFunction():
                same = all(state_of(array) == state for array, state in held)
            if not same:
                dataset = iterator._dataset  # noqa: SLF001  (as above)
                self._watched[id(dataset)] = weakref.ref(dataset), BATCHES
                self._read_again(dataset)
        except Exception as error:  # noqa: BLE001  (as above)
            self._record.problem(error)

    def _read_again(self, dataset: Any) -> None:
        contents = self._contents.pop(id(dataset), [])
        with self._unnoticed():
            for index in range(min(SAMPLES, len(dataset))):
                found = _rewritten(dataset, index, contents)
                if found is not None:
                    self._record.rewritten.append(found)
                    return

    @contextmanager
    def _unnoticed(self) -> Iterator[None]:
        """Record nothing, print nothing, warn of nothing, and restore all random numbers."""
        was_on_stack = self._operators is not None and take_off_stack(self._operators)
        active, self._record.active = self._record.active, False
        states = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002  (the program's)
        tracing = sys.gettrace()
        try:
            with (
                redirect_stdout(StringIO()),
                redirect_stderr(StringIO()),
                warnings.catch_warnings(),
            ):
                warnings.simplefilter("ignore")
                yield
        finally:
            sys.settrace(tracing)
            torch.set_rng_state(states[0])
            np.random.set_state(states[1])  # noqa: NPY002  (as above)
            random.setstate(states[2])
            self._record.active = active
            if was_on_stack and self._operators is not None:
                self._operators.__enter__()


def _rewritten(dataset: Any, index: int, contents: list[Array]) -> RewrittenData | None:
    """Read a sample of one copy, then of another copy that holds what the first one holds now.

    `contents` is what the arrays of the dataset held at the begin, if that is known.
    """
    shared = [array for _, array in arrays_in(dataset)]
    kept = [_copied(array) for array in shared]
    once, twice = copy.deepcopy(dataset), copy.deepcopy(dataset)
    try:
        named = arrays_in(once)
        for (_, array), content in zip(named, contents, strict=False):
            if array.shape == content.shape:
                _write(array, content)
        writes = _Writes([array for _, array in named])
        first = _copied_tensors(_read(once, index, writes))
        for (_, array), (_, target) in zip(named, arrays_in(twice), strict=True):
            _write(target, array)
        second = _copied_tensors(_read(twice, index, None))
    finally:
        for array, content in zip(shared, kept, strict=True):  # globals are not copied
            _write(array, content)
    if writes.place is None or not _differ(first, second):
        return None
    means = tuple(float(found[0].double().mean()) for found in (first, second))
    name = named[writes.number][0]
    return RewrittenData(type(dataset).__name__, index, name, writes.place, (means[0], means[1]))


def _read(dataset: Any, index: int, writes: _Writes | None) -> Any:
    seed_torch(0)
    np.random.seed(0)  # noqa: NPY002  (the dataset may use it)
    random.seed(0)
    sys.settrace(writes)
    try:
        return dataset[index]
    finally:
        sys.settrace(None)


class _Writes:
    """A trace function that finds the line after which an array has changed."""

    def __init__(self, arrays: list[Array]) -> None:
        self._arrays = arrays
        self._states = [state_of(array) for array in arrays]
        self._last: Place | None = None
        self.place: Place | None = None
        self.number = 0

    def __call__(self, frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        if self.place is not None or not is_user_file(frame.f_code.co_filename):
            return None
        if event in {"line", "return"}:
            self._look()
            self._last = place_of(frame)
        return self

    def _look(self) -> None:
        for number, array in enumerate(self._arrays):
            if state_of(array) != self._states[number]:
                self.place, self.number = self._last, number
                return


def _copied(array: Array) -> Array:
    return array.detach().clone() if isinstance(array, torch.Tensor) else array.copy()


def _write(target: Array, content: Array) -> None:
    if target is content:
        return
    if isinstance(target, torch.Tensor):
        target.data.copy_(torch.as_tensor(content))
    elif target.flags.writeable:
        target[...] = content


def _copied_tensors(sample: Any) -> list[torch.Tensor]:
    items = sample if isinstance(sample, tuple | list) else [sample]
    arrays = [torch.from_numpy(np.array(i)) if isinstance(i, np.ndarray) else i for i in items]
    return [tensor.detach().clone() for tensor in tensors_in(arrays)]


def _differ(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    pairs = list(zip(first, second, strict=False))
    return bool(pairs) and not all(
        a.shape == b.shape and torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))
        for a, b in pairs
    )
