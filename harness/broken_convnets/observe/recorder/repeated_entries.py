"""Find collections of the program in which one list is an entry several times."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from broken_convnets.observe.recorder.places import user_frames

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Operator

FIRST = 32  # operator at which the program is looked at, then after twice as many
FRAMES = 6
VARIABLES = 200  # of one frame or object
ENTRIES = 1_000  # of one collection
COLLECTIONS = (list, deque)
ENTRY = (list, dict, set, deque)


@dataclass(frozen=True, slots=True)
class RepeatedEntries:
    """A variable or an attribute with `of` entries, of which `same` are one and the same list."""

    file: str
    name: str
    of: int
    same: int


class RepeatedEntriesLook:
    """Looks at the variables of the functions that run, and at the attributes of these."""

    def __init__(self, record: Record) -> None:
        """Start with no collection known."""
        self._record = record

    def look(self, operator: Operator, caller: FrameType) -> None:
        """Look at the collections if enough operators ran since the last time."""
        number = operator.number
        if number < FIRST or number & (number - 1):
            return
        try:
            for frame in user_frames(caller, FRAMES):
                for name, value in _collections(frame):
                    same = _repeated(value)
                    if same > 1:
                        found = RepeatedEntries(frame.f_code.co_filename, name, len(value), same)
                        self._record.content_facts.repeated_entries[found.file, name] = found
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)


def _collections(frame: FrameType) -> Iterator[tuple[str, Any]]:
    for name, value in list(frame.f_locals.items())[:VARIABLES]:
        if isinstance(value, COLLECTIONS):
            yield name, value
        elif not isinstance(value, type | nn.Module):
            for attribute, item in list(getattr(value, "__dict__", {}).items())[:VARIABLES]:
                if isinstance(item, COLLECTIONS):
                    yield attribute, item


def _repeated(collection: Any) -> int:
    """Return how many entries are the list that is most often an entry, by itself or in a tuple."""
    count: Counter[int] = Counter()
    for entry in list(collection)[:ENTRIES]:
        inside = entry if isinstance(entry, tuple) else (entry,)
        count.update({id(one) for one in inside if isinstance(one, ENTRY)})
    return max(count.values(), default=0)
