"""One forward pass as it is being recorded: its calls, their paths, and what is odd about them."""

from __future__ import annotations

import operator
import re
import sys
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING

from broken_convnets.observe.facts import Layer

if TYPE_CHECKING:
    from torch import nn

# What is odd in the description of an input or an output, and what to call it there.
ANNOTATIONS = {
    re.compile(r"^None(, |$)"): {"input": "input is None", "output": "returned None"},
    re.compile(r"\](@\S+)? non-finite"): {
        "input": "first non-finite value in the inputs",
        "output": "first non-finite value in the output",
    },
}


class Row:
    """One call of a module. Modules are not kept alive by being traced."""

    __slots__ = (
        "above",
        "ambient",
        "began",
        "closed",
        "inputs",
        "kwargs",
        "module",
        "output",
        "type",
    )

    def __init__(self, module: nn.Module, takes: str, named: str, above: Row | None) -> None:
        """Record the beginning of a call by the module of `above`."""
        self.module = weakref.ref(module)
        self.type = type(module).__name__
        self.inputs = takes
        self.kwargs = named
        self.output: str | None = None
        self.above = above
        self.began = 0  # of the events of its pass, which one it was
        self.closed: int | None = None
        self.ambient = id(sys.exc_info()[1])  # the exception that was already being handled

    @property
    def depth(self) -> int:
        """How many calls it is inside of."""
        return 0 if self.above is None else self.above.depth + 1


class Pass:
    """A call of a module that no other module called, and the calls inside.

    Of more than `limit` calls the first and the last ones are kept.
    """

    def __init__(self, network: nn.Module, number: int, limit: int) -> None:
        """Begin the `number`th pass of `network`, counted from 1."""
        self.network = weakref.ref(network)
        self.number = number
        self.thread = threading.current_thread()
        self.calls = 0
        self._events = 0
        self._limit = limit - limit // 2
        self._first: list[Row] = []
        self._last: deque[Row] = deque(maxlen=limit // 2)
        self._paths: dict[Row, str] | None = None

    @property
    def rows(self) -> list[Row]:
        """The calls that are kept, in the order in which they began."""
        return [*self._first, *self._last]

    @property
    def omitted_after(self) -> int:
        """How many calls come before those that were left out."""
        return len(self._first)

    @property
    def complete(self) -> bool:
        """Whether the call of the network came back."""
        return bool(self._first) and self._first[0].closed is not None

    def begin(self, row: Row) -> None:
        """Record that a call has begun."""
        row.began = self._tick()
        self.calls += 1
        (self._first if len(self._first) < self._limit else self._last).append(row)

    def close(self, row: Row, gives: str) -> None:
        """Record that a call has come back."""
        row.output, row.closed = gives, self._tick()

    def finish(self) -> None:
        """Name the calls now: afterwards the modules may be gone."""
        self._paths = self._named()

    def layers(self, failing: nn.Module | None = None) -> list[Layer]:
        """Return the calls, the last one of `failing` marked as failed."""
        rows = self.rows
        paths = self._paths or self._named()
        marks = _marks(rows)
        failed = self.calls_of(failing) if failing is not None else []
        return [
            Layer(
                path=paths[row],
                type=row.type,
                inputs=row.inputs,
                output=row.output,
                kwargs=row.kwargs,
                failed=row in failed[-1:],
                depth=row.depth,
                annotations=[words for words, marked in marks.items() if marked is row],
            )
            for row in rows
        ]

    def calls_of(self, module: nn.Module) -> list[Row]:
        """Return the calls of one module."""
        return [row for row in self.rows if row.module() is module]

    def path(self, module: nn.Module) -> str:
        """Return the name of `module` within the network; empty for the network itself."""
        network = self.network()
        return "" if network is None else _names(network).get(id(module), "")

    def _named(self) -> dict[Row, str]:
        paths: dict[Row, str] = {}
        known: dict[int, dict[int, str]] = {}
        for row in self.rows:
            paths[row] = self._path(row, paths, known)
        return paths

    def _path(self, row: Row, paths: dict[Row, str], known: dict[int, dict[int, str]]) -> str:
        """Return the path of a call's module; one that is shared is named by its caller."""
        module = row.module()
        if module is None:
            return ""
        base = paths.get(row.above, "") if row.above else ""
        caller = row.above.module() if row.above and base else self.network()
        for owner, prefix in ((caller, base), (self.network(), "")):
            if owner is None:
                continue
            if id(owner) not in known:
                known[id(owner)] = _names(owner)
            name = known[id(owner)].get(id(module))
            if name is not None:
                return f"{prefix}.{name}" if prefix and name else prefix or name
        return ""

    def _tick(self) -> int:
        self._events += 1
        return self._events


def _names(root: nn.Module) -> dict[int, str]:
    return {id(module): name for name, module in root.named_modules()}


def _marks(rows: list[Row]) -> dict[str, Row]:
    """Return the calls with the first None and the first non-finite value, by annotation."""
    events = [(row.began, "input", f"{row.inputs}, {row.kwargs}", row) for row in rows]
    events += [(row.closed, "output", row.output or "", row) for row in rows if row.closed]
    events.sort(key=operator.itemgetter(0))
    marks: dict[str, Row] = {}
    for pattern, words in ANNOTATIONS.items():
        first = next(((where, row) for _, where, text, row in events if pattern.search(text)), None)
        if first:
            marks[words[first[0]]] = first[1]
    return marks
