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
        self._limit = limit
        self._earlier: Bounded[Item] | None = None
        self._begin = 0  # number of the first item that is not in `_earlier`
        self._first: list[Item] = []
        self._last: deque[Item] = deque(maxlen=limit // 2)

    def append(self, item: Item) -> None:
        """Add an item; it may push an earlier one out."""
        self.count += 1
        full = len(self._first) >= self._limit - self._limit // 2
        (self._last if full else self._first).append(item)

    def begin_again(self) -> None:
        """Keep what there is; of the items that follow, as many are kept again."""
        earlier = Bounded[Item](self._limit)
        vars(earlier).update(vars(self))
        self._earlier, self._begin = earlier, self.count
        self._first, self._last = [], deque(maxlen=self._limit // 2)

    @property
    def omitted(self) -> int:
        """How many items were pushed out."""
        return self.count - len(self)

    @property
    def omitted_after(self) -> int:
        """How many items come before the first one that was pushed out; `count` if none was."""
        return next((first for first, _ in self.gaps), self.count)

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """The number of the first item of each part that was pushed out, and of the next kept."""
        first, last = self._begin + len(self._first), self.count - len(self._last)
        earlier = self._earlier.gaps if self._earlier is not None else []
        return [*earlier, (first, last)] if first < last else earlier

    @property
    def latest(self) -> Item | None:
        """The item that came last."""
        if self._last:
            return self._last[-1]
        if self._first:
            return self._first[-1]
        return self._earlier.latest if self._earlier is not None else None

    def find(self, number: int) -> Item | None:
        """Return the item that came as the `number`th, from 0; None if it was pushed out."""
        if self._earlier is not None and number < self._begin:
            return self._earlier.find(number)
        if 0 <= number - self._begin < len(self._first):
            return self._first[number - self._begin]
        index = number - (self.count - len(self._last))
        return self._last[index] if 0 <= index < len(self._last) else None

    def __len__(self) -> int:
        """Return how many items are kept."""
        earlier = 0 if self._earlier is None else len(self._earlier)
        return earlier + len(self._first) + len(self._last)

    def __iter__(self) -> Iterator[Item]:
        """Yield the items that are kept."""
        yield from self._earlier or ()
        yield from self._first
        yield from self._last
