"""Say what a value is in one short line: `float32[4, 3, 8, 8]`, `None`, `(int64[4], None)`."""

from __future__ import annotations

import cmath
import dataclasses
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

ITEMS = 64  # of one collection; the rest is counted
DEPTH = 6  # of collections inside collections
KEY_LENGTH = 60
PLAIN = (torch.Tensor, torch.nn.Parameter)


def default_device() -> str:
    """Return the type of the device on which tensors are made here: `cpu`, `cuda`, `meta`."""
    if hasattr(torch, "get_default_device"):
        return str(torch.get_default_device().type)
    return str(torch.empty(0).device.type)  # torch before 2.3


def describe(value: object, device: str | None = None) -> str:
    """Return the structure, dtypes and shapes of `value`.

    A tensor on another device than `device`, by default the default one, is marked `@device`;
    one that holds an infinity or a NaN `non-finite`. Values are looked at in plain tensors only.
    Never raises because of what `value` is.
    """
    return _describe(value, default_device() if device is None else device, DEPTH)


def _describe(value: object, device: str, depth: int) -> str:
    try:
        if isinstance(value, torch.Tensor):
            return _describe_tensor(value, device)
        return _describe_collection(value, device, depth)
    except Exception:  # noqa: BLE001  (a collection may be anyone's class)
        return type(value).__name__


def _describe_collection(value: object, device: str, depth: int) -> str:
    def inside(items: Iterable[object], size: int) -> str:
        texts = [_describe(item, device, depth - 1) for item in islice(items, ITEMS)]
        return ", ".join(texts) + (f", … {size - ITEMS} more" if size > ITEMS else "")

    def named(items: Mapping[Any, object], sign: str) -> str:
        pairs = list(zip(items.items(), range(ITEMS)))  # noqa: B905  (the shorter one counts)
        texts = [f"{_key(k)}{sign}{_describe(v, device, depth - 1)}" for (k, v), _ in pairs]
        return ", ".join(texts) + (f", … {len(items) - ITEMS} more" if len(items) > ITEMS else "")

    if isinstance(value, tuple | list | Mapping) and not depth:
        return "…"
    if isinstance(value, tuple):
        return f"({inside(value, len(value))}{',' * (len(value) == 1)})"
    if isinstance(value, list):
        return f"[{inside(value, len(value))}]"
    if isinstance(value, Mapping):
        return "{" + named(value, ": ") + "}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and depth:
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return f"{type(value).__name__}({named(fields, '=')})"
    return "None" if value is None else type(value).__name__


def _key(key: object) -> str:
    text = str(key)
    return text if len(text) <= KEY_LENGTH else f"{text[:KEY_LENGTH]}…"


def _describe_tensor(tensor: torch.Tensor, device: str) -> str:
    text = f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
    if tensor.device.type != device:
        text += f"@{tensor.device}" if tensor.device.index else f"@{tensor.device.type}"
    return text if all_finite(tensor) is not False else f"{text} non-finite"


def all_finite(tensor: torch.Tensor) -> bool | None:
    """Return whether all numbers of `tensor` are finite; None where it is not to be looked at.

    One sum decides nearly always: an infinity or a NaN cannot leave it finite. A sum that is
    not finite may have overflowed, so then each number is looked at.
    """
    if not _has_values(tensor):
        return None
    try:
        total = tensor.detach().sum().item()
        return cmath.isfinite(total) or bool(torch.isfinite(tensor.detach()).all())
    except Exception:  # noqa: BLE001  (inside vmap, or a dtype without a sum)
        return None


def _has_values(tensor: torch.Tensor) -> bool:
    """Return whether `tensor` holds numbers that can be read without changing what runs.

    A tensor of another class may stand for values that do not exist, what is done to one
    under `torch.jit.trace` or a CUDA graph is recorded, and reading ends such a recording.
    """
    if type(tensor) not in PLAIN or tensor.layout is not torch.strided:
        return False
    if tensor.device.type == "meta" or not (tensor.is_floating_point() or tensor.is_complex()):
        return False
    if tensor.device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        return False
    return not torch.jit.is_tracing()
