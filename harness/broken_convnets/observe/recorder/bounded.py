"""A list that keeps the first and the last of its items, and counts all."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Item = TypeVar("Item")


class Bounded(Generic[Item]):
    """Items in the order in which they came; of more than `limit`, the first and last half."""

    def __init__(self, limit: int) -> None:
        """Start empty."""
        self.count = 0  # of all items that came
        self._first_limit = limit - limit // 2
        self._first: list[Item] = []
        self._last: deque[Item] = deque(maxlen=limit // 2)

    def append(self, item: Item) -> None:
        """Add an item; it may push an earlier one out."""
        self.count += 1
        (self._first if len(self._first) < self._first_limit else self._last).append(item)

    @property
    def omitted(self) -> int:
        """How many items were pushed out."""
        return self.count - len(self)

    @property
    def omitted_after(self) -> int:
        """How many items come before those that were pushed out."""
        return len(self._first)

    @property
    def latest(self) -> Item | None:
        """The item that came last."""
        if self._last:
            return self._last[-1]
        return self._first[-1] if self._first else None

    def find(self, number: int) -> Item | None:
        """Return the item that came as the `number`th, from 0; None if it was pushed out."""
        if number < len(self._first):
            return self._first[number]
        index = number - (self.count - len(self._last))
        return self._last[index] if 0 <= index < len(self._last) else None

    def __len__(self) -> int:
        """Return how many items are kept."""
        return len(self._first) + len(self._last)

    def __iter__(self) -> Iterator[Item]:
        """Yield the items that are kept."""
        yield from self._first
        yield from self._last
