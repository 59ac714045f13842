"""Read recorded shape traces, and set the broken network's beside the fixed one's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING

from broken_convnets.verdicts.layer_lines import FAILED, UNFINISHED, LayerCall, parse_layer_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.verdicts.records import Side

KEEP = 2  # alike rows that stay in sight at either end of a fold
FOLD = 8  # a run of alike rows that is longer is folded

_TENSOR = re.compile(r"(?P<dtype>[a-z]\w*)\[(?P<shape>(?:\d+(?:, )?)*)\]")


@dataclass(frozen=True)
class Tensor:
    """The dtype and shape of one tensor in a recorded value."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """What flows from layer to layer. `by_code`: no layer made it, but code in between."""

    text: str
    by_code: bool = False


@dataclass(frozen=True)
class Layer:
    """A layer that the value goes through; `depth` counts the layers around it."""

    path: str
    type: str
    depth: int = 0


@dataclass(frozen=True)
class Enter:
    """The beginning of a layer that is made of layers."""

    path: str
    type: str
    depth: int = 0


@dataclass(frozen=True)
class Leave:
    """The end of a layer that is made of layers."""

    path: str
    depth: int = 0


@dataclass(frozen=True)
class Fail:
    """The place where an exception ended the journey."""

    text: str
    inside: str = ""  # the layer that raised; empty for the code around the layers


@dataclass(frozen=True)
class Fold:
    """Rows that are alike on both sides, and too many to show."""

    layers: int


Event = Value | Layer | Enter | Leave | Fail | Fold


@dataclass(frozen=True)
class Row:
    """The same place in two journeys; a side that has nothing there is None."""

    broken: Event | None
    fixed: Event | None

    @property
    def alike(self) -> bool:
        """Whether the two do not differ here."""
        return self.broken == self.fixed


@dataclass(frozen=True)
class Journey:
    """Two journeys side by side. `first` is the row where they part, if they do."""

    rows: list[Row]
    first: int | None


def tensors(value: str) -> list[Tensor]:
    """Return the tensors in a recorded value: `(float32[4, 10], None)` holds one."""
    return [
        Tensor(found["dtype"], tuple(int(size) for size in re.findall(r"\d+", found["shape"])))
        for found in _TENSOR.finditer(value)
    ]


def journey(broken: Side, fixed: Side) -> Journey:
    """Set two recorded sides beside each other, and fold what is long and alike."""
    rows = _fold(_align(events(broken), events(fixed)))
    first = next((index for index, row in enumerate(rows) if not row.alike), None)
    return Journey(rows, first)


def events(side: Side) -> list[Event]:
    """Return a side's journey: values, the layers between them, and where it failed."""
    told: list[Event] = []
    steps = [parse_layer_line(line) for line in side.layers]
    walk = _Walk(side)
    for index, step in enumerate(steps):
        following = steps[index + 1].path if index + 1 < len(steps) else None
        told += walk.step(step, has_layers=following is not None and _within(following, step.path))
    told += walk.end()
    return told


def _within(path: str, outer: str) -> bool:
    return path != outer and (not outer or path.startswith(f"{outer}."))


class _Walk:
    """Follows one trace, in the order in which its calls began."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._open: list[LayerCall] = []
        self._flow: str | None = None
        self._failed = False

    def step(self, step: LayerCall, *, has_layers: bool) -> Iterator[Event]:
        """Yield what happens up to the end of a call, or to the first call in it."""
        while self._open and not _within(step.path, self._open[-1].path):
            yield from self._leave()
        yield from self._value(step.inputs, by_code=True)
        if has_layers:
            if step.path:
                yield Enter(step.path, step.type, self._depth)
            self._open.append(step)
            return
        yield Layer(step.path, step.type, self._depth)
        yield from self._result(step, by_code=False)

    def end(self) -> Iterator[Event]:
        """Yield what is left to happen when all calls have begun."""
        while self._open:
            yield from self._leave()
        if self._side.raises and not self._failed and self._flow is not None:
            yield self._fail("")

    @property
    def _depth(self) -> int:
        return sum(bool(step.path) for step in self._open)

    def _leave(self) -> Iterator[Event]:
        step = self._open.pop()
        yield from self._result(step, by_code=True)
        if step.path:
            yield Leave(step.path, self._depth)

    def _result(self, step: LayerCall, *, by_code: bool) -> Iterator[Event]:
        if step.output == FAILED:
            self._failed = True
            yield self._fail(step.path)
        elif step.output != UNFINISHED:
            yield from self._value(step.output, by_code=by_code, again=not by_code)

    def _value(self, text: str, *, by_code: bool, again: bool = False) -> Iterator[Event]:
        if text != self._flow or again:
            yield Value(text, by_code=by_code and self._flow is not None)
        self._flow = text

    def _fail(self, inside: str) -> Fail:
        at = " ".join(self._side.expression.split())
        return Fail(f"{self._side.raises} at {at}" if at else self._side.raises, inside)


def _align(broken: list[Event], fixed: list[Event]) -> list[Row]:
    matcher = SequenceMatcher(
        None,
        [_place(event) for event in broken],
        [_place(event) for event in fixed],
        autojunk=False,
    )
    return [
        Row(one, other)
        for _, a, b, c, d in matcher.get_opcodes()
        for one, other in zip_longest(broken[a:b], fixed[c:d])
    ]


def _place(event: Event) -> tuple[str, str]:
    """Return what two events must share to stand side by side."""
    return (type(event).__name__, getattr(event, "path", ""))


def _fold(rows: list[Row]) -> list[Row]:
    kept: list[Row] = []
    for alike, group in groupby(rows, key=lambda row: row.alike):
        run = list(group)
        if alike and len(run) > FOLD:
            hidden = run[KEEP:-KEEP]
            layers = sum(isinstance(row.broken, Layer) for row in hidden)
            run = [*run[:KEEP], Row(Fold(layers), Fold(layers)), *run[-KEEP:]]
        kept += run
    return kept
