"""Find collections of the program in which one list or array is an entry several times."""

from __future__ import annotations

import weakref
from collections import Counter, deque
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction
from broken_convnets.observe.recorder.places import user_frames
from broken_convnets.observe.recorder.reachable import is_plain, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Operator

FIRST = 32  # operator at which the program is looked at first, then after twice as many
SOON = 8  # operators after which an array that is an entry twice is looked at again
OFTEN = 32  # looks that are as early as that
FRAMES = 6
VARIABLES = 200  # of one frame or object
ENTRIES = 1_000  # of one collection
COLLECTIONS = (list, deque)
ENTRY = (list, dict, set, deque)


@dataclass(frozen=True, slots=True)
class RepeatedEntries:
    """A variable or an attribute with `of` entries, of which `same` are one and the same object.

    `changed` is whether the object is an array whose numbers changed while it was an entry.
    """

    file: str
    name: str
    of: int
    same: int
    changed: bool = False


class RepeatedEntriesLook:
    """Looks at the variables of the functions that run, and at the attributes of these.

    What changes meanwhile is not kept alive.
    """

    def __init__(self, record: Record) -> None:
        """Start with no collection known."""
        self._record = record
        self._arrays: dict[tuple[str, str], tuple[weakref.ref[Any], int]] = {}
        self.due = FIRST  # operator at which the program is looked at
        self._soon = 0  # looks that came early

    def look(self, operator: Operator, caller: FrameType) -> None:
        """Look at the collections, which is due at this operator."""
        self.due = 2 * operator.number
        try:
            for frame in user_frames(caller, FRAMES):
                for name, value in _collections(frame):
                    self._add(frame.f_code.co_filename, name, value)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)

    def _add(self, file: str, name: str, collection: Any) -> None:
        entry, same = _repeated(collection)
        if same < 2 or len(collection) < 2:  # noqa: PLR2004  (several entries)
            return
        known = self._record.content_facts.repeated_entries
        is_array = isinstance(entry, np.ndarray | torch.Tensor)
        changed = is_array and self._has_changed((file, name), entry)
        if is_array and not changed and self._soon < OFTEN:
            self._soon += 1
            self.due = min(self.due, self._record.operators.count + SOON)
        if changed or not is_array:
            known[file, name] = RepeatedEntries(file, name, len(collection), same, changed)

    def _has_changed(self, key: tuple[str, str], array: Any) -> bool:
        """Return whether an array has other numbers than when it was seen here before."""
        with NoDispatch(), NoFunction():
            now = state_of(array)[1]
        former = self._arrays.get(key)
        self._arrays[key] = weakref.ref(array), now
        return former is not None and former[0]() is array and former[1] != now


def _collections(frame: FrameType) -> Iterator[tuple[str, Any]]:
    for name, value in list(frame.f_locals.items())[:VARIABLES]:
        if isinstance(value, COLLECTIONS):
            yield name, value
        elif not isinstance(value, type | ModuleType | nn.Module):
            for attribute, item in list(getattr(value, "__dict__", {}).items())[:VARIABLES]:
                if isinstance(item, COLLECTIONS):
                    yield attribute, item


def _repeated(collection: Any) -> tuple[Any, int]:
    """Return the object that is an entry most often, by itself or in a tuple, and how often."""
    count: Counter[int] = Counter()
    objects: dict[int, Any] = {}
    for entry in list(collection)[:ENTRIES]:
        inside = entry if isinstance(entry, tuple) else (entry,)
        found = {id(one): one for one in inside if isinstance(one, ENTRY) or _is_data(one)}
        objects.update(found)
        count.update(found.keys())
    (number, same), *_ = count.most_common(1) or [(0, 0)]
    return objects.get(number), same


def _is_data(value: Any) -> bool:
    """Return whether a value is an array of several numbers that no gradient belongs to."""
    if isinstance(value, np.ndarray):
        return value.size > 1 and is_plain(value)
    plain = type(value) is torch.Tensor and value.numel() > 1 and not value.requires_grad
    return plain and is_plain(value)
