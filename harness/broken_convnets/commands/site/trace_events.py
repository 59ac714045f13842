"""Turn a recorded layer trace into events: values, the layers they pass, and the failure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.verdicts.layer_lines import FAILED, UNFINISHED, LayerCall, parse_layer_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.verdicts.records import Side

_TENSOR = re.compile(r"(?P<dtype>[a-z]\w*)\[(?P<shape>(?:\d+(?:, )?)*)\]")


@dataclass(frozen=True)
class Tensor:
    """The dtype and shape of one tensor in a recorded value."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """A value between layers. `by_code`: code between layers returned it, not a layer."""

    text: str
    by_code: bool = False


@dataclass(frozen=True)
class Layer:
    """A call of a layer; `depth` counts the layers around it."""

    path: str
    type: str
    depth: int = 0


@dataclass(frozen=True)
class Enter:
    """The beginning of the call of a layer that contains layers."""

    path: str
    type: str
    depth: int = 0


@dataclass(frozen=True)
class Leave:
    """The end of the call of a layer that contains layers."""

    path: str
    depth: int = 0


@dataclass(frozen=True)
class Fail:
    """The exception that ended the run."""

    text: str
    layer: str = ""  # the layer that raised; empty if code between layers raised


@dataclass(frozen=True)
class Fold:
    """Rows that are equal on both sides and left out."""

    layers: int


Event = Value | Layer | Enter | Leave | Fail | Fold


def tensors(value: str) -> list[Tensor]:
    """Return the tensors in a recorded value: `(float32[4, 10], None)` holds one."""
    return [
        Tensor(found["dtype"], tuple(int(size) for size in re.findall(r"\d+", found["shape"])))
        for found in _TENSOR.finditer(value)
    ]


def events(side: Side) -> list[Event]:
    """Return the events of a recorded side, in the order in which they happened."""
    calls = [parse_layer_line(line) for line in side.layers]
    walk = _Walk(side)
    found: list[Event] = []
    for index, call in enumerate(calls):
        following = calls[index + 1].path if index + 1 < len(calls) else None
        found += walk.call(call, has_layers=following is not None and _within(following, call.path))
    found += walk.end()
    return found


def _within(path: str, outer: str) -> bool:
    return path != outer and (not outer or path.startswith(f"{outer}."))


class _Walk:
    """Follows the calls of one trace, in the order in which they began."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._open: list[LayerCall] = []
        self._current: str | None = None
        self._failed = False

    def call(self, call: LayerCall, *, has_layers: bool) -> Iterator[Event]:
        """Yield the events up to the end of a call, or up to the first call inside it."""
        while self._open and not _within(call.path, self._open[-1].path):
            yield from self._leave()
        yield from self._value(call.inputs, by_code=True)
        if has_layers:
            if call.path:
                yield Enter(call.path, call.type, self._depth)
            self._open.append(call)
            return
        yield Layer(call.path, call.type, self._depth)
        yield from self._result(call, by_code=False)

    def end(self) -> Iterator[Event]:
        """Yield the events after the last call began."""
        while self._open:
            yield from self._leave()
        if self._side.raises and not self._failed and self._current is not None:
            yield self._fail("")

    @property
    def _depth(self) -> int:
        return sum(bool(call.path) for call in self._open)

    def _leave(self) -> Iterator[Event]:
        call = self._open.pop()
        yield from self._result(call, by_code=True)
        if call.path:
            yield Leave(call.path, self._depth)

    def _result(self, call: LayerCall, *, by_code: bool) -> Iterator[Event]:
        if call.output == FAILED:
            self._failed = True
            yield self._fail(call.path)
        elif call.output != UNFINISHED:
            yield from self._value(call.output, by_code=by_code, again=not by_code)

    def _value(self, text: str, *, by_code: bool, again: bool = False) -> Iterator[Event]:
        if text != self._current or again:
            yield Value(text, by_code=by_code and self._current is not None)
        self._current = text

    def _fail(self, layer: str) -> Fail:
        expression = " ".join(self._side.expression.split())
        text = f"{self._side.raises} at {expression}" if expression else self._side.raises
        return Fail(text, layer)
