"""Draw a layer trace as SVG; the first difference between the two sides is highlighted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from markupsafe import Markup

from broken_convnets.commands.site.markup import shortened, tag
from broken_convnets.commands.site.trace_events import (
    Enter,
    Fail,
    Fold,
    Layer,
    Leave,
    Value,
    tensors,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.commands.site.trace_diff import Row, TraceDiff
    from broken_convnets.commands.site.trace_events import Event, Tensor

WIDTH = 360  # user units: CSS pixels, unless the page is narrower
SPINE = 44
TEXT = 84
INDENT = 7  # of the brackets around layers that contain layers
CHARACTERS = 36  # of a line of text beside the spine
HEIGHTS = {Value: 50.0, Layer: 26.0, Enter: 26.0, Leave: 12.0, Fail: 34.0, Fold: 30.0}
LARGEST = 26.0  # side of a tensor's face
DEEPEST = 13.0
MAP = 3  # a tensor with at least so many dimensions is drawn as a block


def draw(diff: TraceDiff, side: str, title: str) -> Markup:
    """Draw one side (`broken` or `fixed`); a row has the same height on both sides."""
    top, bottom, parts, brackets = 6.0, 6.0, [], _Brackets()
    shown = [(getattr(row, side), row) for row in diff.rows]
    end = last = max((index for index, (event, _) in enumerate(shown) if event), default=-1)
    for index, (event, row) in enumerate(shown):
        height = max(HEIGHTS[type(each)] for each in (row.broken, row.fixed) if each)
        if index == diff.first:
            parts.append(_highlight(top, height, _absent(row, side)))
            last = max(last, index)
        parts.append(_spine(event, top, height, first=index == 0, last=index >= end))
        if event is not None:
            parts.append(_DRAW[type(event)](event, top + height / 2))
            parts.append(brackets.follow(event, top, height))
        top += height
        bottom = top if index <= last else bottom
    parts.append(brackets.end(bottom))
    box = f"0 0 {WIDTH} {bottom + 4:g}"
    return tag(
        "svg",
        tag("title", title),
        *parts,
        viewBox=box,
        role="img",
        width=WIDTH,
        height=bottom + 4,
        class_=f"trace {side}",
    )


class _Brackets:
    """Draws a line along the rows of each layer that contains layers."""

    def __init__(self) -> None:
        self._open: list[float] = []

    def follow(self, event: Event, top: float, height: float) -> Markup:
        if isinstance(event, Enter):
            self._open.append(top + height / 2)
        if isinstance(event, Leave) and self._open:
            return self._draw(top + height / 2)
        return Markup()

    def end(self, bottom: float) -> Markup:
        return Markup().join(self._draw(bottom) for _ in range(len(self._open)))

    def _draw(self, bottom: float) -> Markup:
        top = self._open.pop()
        x = 4 + INDENT * len(self._open)
        path = f"M{x + 5} {top:g}H{x}V{bottom:g}H{x + 5}"
        return tag("path", d=path, class_="bracket")


def _spine(event: Event | None, top: float, height: float, *, first: bool, last: bool) -> Markup:
    """Draw the vertical line between events; dashed where code between layers changed the value."""
    if event is None and last:
        return Markup()
    middle = top + height / 2
    begin, end = middle if first else top, middle if last else top + height
    parts = []
    if isinstance(event, Value) and event.by_code:
        parts.append(tag("path", d=f"M{SPINE} {top:g}V{middle:g}", class_="spine code"))
        begin = middle
    parts.append(tag("path", d=f"M{SPINE} {begin:g}V{end:g}", class_="spine"))
    return Markup().join(parts)


def _absent(row: Row, side: str) -> str:
    """Return the text for a row in which only the other side has an event."""
    if getattr(row, side) is not None:
        return ""
    return "nothing is raised" if isinstance(row.broken, Fail) else "not reached"


def _highlight(top: float, height: float, text: str) -> Markup:
    box = tag(
        "rect", x=1, y=top + 1, width=WIDTH - 2, height=height - 2, rx=6, class_="first-difference"
    )
    return box + (_text(TEXT, top + height / 2, text, "name dim") if text else Markup())


def _text(x: float, y: float, text: str, class_: str) -> Markup:
    cut = shortened(text, CHARACTERS)
    title = tag("title", text) if cut != text else Markup()
    return tag("text", title, cut, x=x, y=y + 4, class_=class_)


def _value(event: Value, y: float) -> Markup:
    found = tensors(event.text)
    glyph = _glyph(found[0], y) if found else _no_tensor(event.text, y)
    class_ = "value" if found else "value none"
    return glyph + _text(TEXT, y, event.text, class_)


def _layer(event: Layer, y: float) -> Markup:
    node = tag("rect", x=SPINE - 5, y=y - 5, width=10, height=10, rx=3, class_="node")
    return node + _name(event.path, event.type, y)


def _enter(event: Enter, y: float) -> Markup:
    return _name(event.path, event.type, y)


def _name(path: str, kind: str, y: float) -> Markup:
    path = shortened(path, CHARACTERS - 14)
    kind = shortened(kind, CHARACTERS - len(path))
    parts = [tag("tspan", path, class_="path"), " "] if path else []
    return tag("text", *parts, kind, x=TEXT, y=y + 4, class_="name")


def _leave(event: Leave, y: float) -> Markup:  # noqa: ARG001  (the brackets draw it)
    return Markup()


def _fail(event: Fail, y: float) -> Markup:
    cross = f"M{SPINE - 6} {y - 6:g}l12 12m0 -12l-12 12"
    halo = tag("circle", cx=SPINE, cy=y, r=12, class_="halo")
    return halo + tag("path", d=cross, class_="cross") + _text(TEXT, y, event.text, "name fail")


def _fold(event: Fold, y: float) -> Markup:
    dots = [tag("circle", cx=SPINE, cy=y + step, r=1.8, class_="dot") for step in (-6, 0, 6)]
    gap = tag("rect", x=SPINE - 3, y=y - 11, width=6, height=22, class_="gap")
    layers = f"{event.layers} layers, equal on both sides"
    return gap + Markup().join(dots) + _text(TEXT, y, layers, "name dim")


def _glyph(tensor: Tensor, y: float) -> Markup:
    if len(tensor.shape) >= MAP:
        depth, height, width = tensor.shape[-3:]
        return _block(_scaled(width, LARGEST), _scaled(height, LARGEST), _scaled(depth, DEEPEST), y)
    if not tensor.shape:
        return tag("circle", cx=SPINE, cy=y, r=4, class_="face")
    length = 8 + 3.4 * math.log2(tensor.shape[-1] + 1)
    x = SPINE - length / 2
    return tag("rect", x=x, y=y - 4, width=length, height=8, rx=2, class_="face")


def _scaled(size: int, largest: float) -> float:
    """Return a length on a logarithmic scale, so that 224 pixels fit beside 6."""
    return min(largest, 2 + largest * math.log2(size + 1) / 8.5)


def _block(width: float, height: float, depth: float, y: float) -> Markup:
    """Draw a feature map as a block: its face is height by width, its depth the channels."""
    x, top = SPINE - (width + depth) / 2, y - (height - depth) / 2
    face = f"M{x:.1f} {top:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}z"
    back, forth = f"l{depth:.1f} {-depth:.1f}", f"l{-depth:.1f} {depth:.1f}"
    roof = f"M{x:.1f} {top:.1f}{back}h{width:.1f}{forth}z"
    flank = f"M{x + width:.1f} {top:.1f}{back}v{height:.1f}{forth}z"
    parts = [(face, "face"), (roof, "roof"), (flank, "flank")]
    return Markup().join(tag("path", d=path, class_=class_) for path, class_ in parts)


def _no_tensor(text: str, y: float) -> Markup:
    if not text or text == "None":
        return tag("circle", cx=SPINE, cy=y, r=9, class_="no-value")
    return tag("rect", x=SPINE - 7, y=y - 7, width=14, height=14, rx=2, class_="other-value")


_DRAW: dict[type, Callable[..., Markup]] = {
    Value: _value,
    Layer: _layer,
    Enter: _enter,
    Leave: _leave,
    Fail: _fail,
    Fold: _fold,
}
