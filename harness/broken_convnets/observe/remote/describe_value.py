"""Describe a value that a program sent, and find numbers in it that are not finite.

The text is that of `describe` for the value itself; a number that is not finite is found however
deep it is, in objects too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.describe import DEPTH, ITEMS, KEY_LENGTH
from broken_convnets.observe.remote.decode import decode_tensor
from broken_convnets.observe.remote.values import (
    DictValue,
    ListValue,
    ObjectValue,
    TensorValue,
    TupleValue,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_FINITE = " non-finite"


def describe_value(value: Value, device: str) -> str:
    """Return the structure, dtypes and shapes of a value, and whether it is finite.

    `device` is the type of the one on which the program runs; tensors elsewhere are marked.
    """
    text = _text(value, device, DEPTH)
    hidden = NOT_FINITE not in text and not is_finite(value)
    return f"{text}{NOT_FINITE}" if hidden else text


def is_finite(value: Value) -> bool:
    """Return whether no number in a value is NaN or infinite."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, float) and not math.isfinite(one):
            return False
        if isinstance(one, TensorValue) and not _is_finite_tensor(one):
            return False
        waiting += _parts(one)
    return True


def _parts(value: Value) -> Iterable[Value]:
    if isinstance(value, ListValue | TupleValue):
        return value.items
    if isinstance(value, DictValue):
        return [part for pair in value.items for part in pair]
    return [part for _, part in value.attributes] if isinstance(value, ObjectValue) else []


def _is_finite_tensor(value: TensorValue) -> bool:
    """Return whether all numbers are finite, or there are none that can be read."""
    if value.data is None:
        return True
    tensor = decode_tensor(value).detach()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor.double()).all())


def _text(value: Value, device: str, depth: int) -> str:
    if isinstance(value, TensorValue):
        return _tensor(value, device)
    if isinstance(value, ListValue | TupleValue | DictValue):
        return _collection(value, device, depth) if depth else "…"
    if isinstance(value, ObjectValue):
        inside = value.is_dataclass and depth
        attributes = _pairs(value.attributes, "=", device, depth) if inside else ""
        return f"{value.type_name}({attributes})" if inside else value.type_name
    return "None" if value is None else type(value).__name__


def _collection(value: ListValue | TupleValue | DictValue, device: str, depth: int) -> str:
    if isinstance(value, DictValue):
        pairs = [(_key(key), item) for key, item in value.items]
        return "{" + _pairs(pairs, ": ", device, depth) + "}"
    items = _items(value.items, device, depth)
    if isinstance(value, ListValue):
        return f"[{items}]"
    return f"({items}{',' * (len(value.items) == 1)})"


def _tensor(value: TensorValue, device: str) -> str:
    text = f"{value.dtype}{value.shape}"
    kind, _, index = value.device.partition(":")
    if kind != device:
        text += f"@{value.device}" if index not in {"", "0"} else f"@{kind}"
    return text if _is_finite_tensor(value) else f"{text}{NOT_FINITE}"


def _items(items: list[Value], device: str, depth: int) -> str:
    texts = [_text(item, device, depth - 1) for item in items[:ITEMS]]
    return ", ".join(texts) + _rest(len(items))


def _pairs(pairs: list[tuple[str, Value]], sign: str, device: str, depth: int) -> str:
    texts = [f"{_cut(key)}{sign}{_text(item, device, depth - 1)}" for key, item in pairs[:ITEMS]]
    return ", ".join(texts) + _rest(len(pairs))


def _rest(size: int) -> str:
    return f", … {size - ITEMS} more" if size > ITEMS else ""


def _key(key: Value) -> str:
    return key.type_name if isinstance(key, ObjectValue) else str(key)


def _cut(text: str) -> str:
    return text if len(text) <= KEY_LENGTH else f"{text[:KEY_LENGTH]}…"
