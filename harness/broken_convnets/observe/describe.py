"""Describe a value in one short line: `float32[4, 3, 8, 8]`, `None`, `(int64[4], None)`."""

from __future__ import annotations

import cmath
import dataclasses
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import torch
from torch.utils import _device

ITEMS = 64  # of one collection; the rest is counted
DEPTH = 6  # of collections inside collections
KEY_LENGTH = 60
PLAIN = (torch.Tensor, torch.nn.Parameter)
LITERALS = (int, float, bool, str)


def default_device() -> str:
    """Return the type of the device on which tensors are created here: `cpu`, `cuda`, `meta`.

    `torch.get_default_device` creates a tensor to find out, which modes of the program would see.
    """
    device = _device.CURRENT_DEVICE
    return "cpu" if device is None else str(device.type)


def describe(
    value: object,
    device: str | None = None,
    *,
    literals: bool = False,
    is_finite: Callable[[torch.Tensor], bool | None] | None = None,
) -> str:
    """Return the structure, dtypes and shapes of `value`.

    A tensor on another device than `device`, by default the default one, is marked `@device`;
    one that holds an infinity or a NaN `non-finite`. Only the values of plain tensors are read.
    With `literals`, numbers and short strings are shown as they are and not as their type.
    `is_finite` says of a tensor what `all_finite` would, for callers who know it already.
    Never raises because of what `value` is.
    """
    device = default_device() if device is None else device
    return _Describer(device, literals, is_finite or all_finite).text(value, DEPTH)


class _Describer:
    """Describes values, with the collections inside, for one default device."""

    __slots__ = ("_device", "_is_finite", "_literals")

    def __init__(
        self,
        device: str,
        literals: bool,  # noqa: FBT001  (always an argument)
        is_finite: Callable[[torch.Tensor], bool | None],
    ) -> None:
        self._device = device
        self._literals = literals
        self._is_finite = is_finite

    def text(self, value: object, depth: int) -> str:
        try:
            if isinstance(value, torch.Tensor):
                return self._tensor(value)
            if self._literals and type(value) in LITERALS:
                return _literal(value)
            return self._collection(value, depth)
        except Exception:  # noqa: BLE001  (a collection may be of anyone's class)
            return type(value).__name__

    def _tensor(self, tensor: torch.Tensor) -> str:
        text = f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
        device = tensor.device
        if device.type != self._device:
            text += f"@{device}" if device.index else f"@{device.type}"
        return f"{text} non-finite" if self._is_finite(tensor) is False else text

    def _collection(self, value: object, depth: int) -> str:
        if isinstance(value, tuple | list | Mapping) and not depth:
            return "…"
        if isinstance(value, tuple):
            return f"({self._items(value, depth)}{',' * (len(value) == 1)})"
        if isinstance(value, list):
            return f"[{self._items(value, depth)}]"
        if isinstance(value, Mapping):
            return "{" + self._pairs(value, ": ", depth) + "}"
        if dataclasses.is_dataclass(value) and not isinstance(value, type) and depth:
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            return f"{type(value).__name__}({self._pairs(fields, '=', depth)})"
        return "None" if value is None else type(value).__name__

    def _items(self, items: tuple[object, ...] | list[object], depth: int) -> str:
        texts = [self.text(item, depth - 1) for item in items[:ITEMS]]
        return ", ".join(texts) + _rest(len(items))

    def _pairs(self, items: Mapping[Any, object], sign: str, depth: int) -> str:
        pairs = islice(items.items(), ITEMS)
        texts = [f"{_key(key)}{sign}{self.text(value, depth - 1)}" for key, value in pairs]
        return ", ".join(texts) + _rest(len(items))


def _rest(size: int) -> str:
    return f", … {size - ITEMS} more" if size > ITEMS else ""


def _literal(value: object) -> str:
    text = repr(value)
    return text if len(text) <= KEY_LENGTH else f"{text[:KEY_LENGTH]}…"


def _key(key: object) -> str:
    text = str(key)
    return text if len(text) <= KEY_LENGTH else f"{text[:KEY_LENGTH]}…"


def all_finite(tensor: torch.Tensor) -> bool | None:
    """Return whether all numbers of `tensor` are finite; None if they must not be read.

    One sum decides nearly always: an infinity or a NaN cannot leave it finite. A sum that is
    not finite may have overflowed, so then each number is looked at.
    """
    if not has_values(tensor):
        return None
    try:
        values = tensor.detach() if tensor.requires_grad else tensor
        total = values.sum().item()
        return cmath.isfinite(total) or bool(torch.isfinite(tensor.detach()).all())
    except Exception:  # noqa: BLE001  (inside vmap, or a dtype without a sum)
        return None


def has_values(tensor: torch.Tensor) -> bool:
    """Return whether the numbers of `tensor` can be read without changing what runs.

    A tensor of another class may have no values; `torch.jit.trace` and CUDA graphs record what is
    done to a tensor, and reading its values ends the recording.
    """
    if type(tensor) not in PLAIN or tensor.layout is not torch.strided:
        return False
    if tensor.device.type == "meta" or not (tensor.is_floating_point() or tensor.is_complex()):
        return False
    if tensor.device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        return False
    return not torch.jit.is_tracing()
