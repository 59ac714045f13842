"""Encode values of this process as plain data."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from broken_convnets.observe.remote.values import (
    DictValue,
    ListValue,
    ObjectValue,
    TensorValue,
    TupleValue,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DEPTH = 100  # of values inside values
SIZE = 200_000  # of one value, in parts
OBJECT_DEPTH = 6  # of objects inside objects
NEVER_READ = (type, nn.Module, types.FunctionType, types.MethodType, types.ModuleType)
INTEGERS = range(-(1 << 63), 1 << 63)  # that travel as numbers
AS_NUMPY = frozenset(
    {
        *(torch.float16, torch.float32, torch.float64, torch.complex64, torch.complex128),
        *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    }
)


class Encoder:
    """Encodes one value; `handle_of` returns the handle under which an object is kept."""

    def __init__(self, handle_of: Callable[[object], int] = lambda _: 0) -> None:
        """Encode with these handles, or without any."""
        self._handle_of = handle_of
        self._size = 0

    def encode(self, value: object, depth: int = DEPTH) -> Value:
        """Return a value as plain data; raises ValueError if it is nested too deeply, or huge."""
        self._size += 1
        if not depth or self._size > SIZE:
            message = f"a value is more than {DEPTH} deep, or has more than {SIZE} parts"
            raise ValueError(message)
        if value is None or type(value) in (bool, float):
            return value  # type: ignore[return-value]  # these are values
        if type(value) is str:
            return value.encode(errors="backslashreplace").decode()
        if type(value) is int and value in INTEGERS:
            return value
        if isinstance(value, torch.Tensor):
            return self.tensor(value)
        return self._collection(value, depth)

    def _collection(self, value: object, depth: int) -> Value:
        if isinstance(value, tuple | list | set | frozenset):
            items = [self.encode(item, depth - 1) for item in value]
            return TupleValue(items) if isinstance(value, tuple) else ListValue(items)
        if isinstance(value, Mapping):
            pairs = [
                (self.encode(k, depth - 1), self.encode(v, depth - 1)) for k, v in value.items()
            ]
            return DictValue(pairs)
        return self.object(value, min(depth, OBJECT_DEPTH))

    def tensor(self, value: torch.Tensor) -> TensorValue:
        """Return a tensor with its numbers and handle."""
        return encode_tensor(value, self._handle_of(value))

    def object(self, value: object, depth: int) -> ObjectValue:
        """Return any other object with its attributes and handle."""
        found = _attributes(value) if depth > 1 else []
        attributes = [(name, self.encode(item, depth - 1)) for name, item in found]
        named = dataclasses.is_dataclass(value) and not isinstance(value, type)
        return ObjectValue(type(value).__name__, attributes, named, self._handle_of(value))


def encode_tensor(tensor: torch.Tensor, handle: int = 0) -> TensorValue:
    """Return a tensor with its numbers, as far as they can be read."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    plain = TensorValue(
        dtype,
        dtype,
        list(tensor.shape),
        str(tensor.device),
        None,
        None,
        tensor.requires_grad,
        handle,
    )
    if tensor.device.type == "meta":
        return plain
    try:
        values = _readable(tensor)
        order = sorted(range(values.ndim), key=lambda d: -values.stride(d))
        packed = values.permute(order)
        dense = not values.is_contiguous() and packed.is_contiguous()
        data = _bytes(packed if dense else values.contiguous())
    except Exception:  # noqa: BLE001  (a class or dtype whose numbers cannot be read)
        return plain
    carried = str(values.dtype).removeprefix("torch.")
    strides = list(values.stride()) if dense else None
    return TensorValue(
        dtype, carried, plain.shape, plain.device, data, strides, plain.requires_grad, handle
    )


def _readable(tensor: torch.Tensor) -> torch.Tensor:
    """Return the numbers of a tensor as a dense tensor on the CPU."""
    with torch._C.DisableTorchFunctionSubclass():  # noqa: SLF001  (there is no public name)
        values = tensor.detach()
        if values.layout is not torch.strided:
            values = values.to_dense()
        if values.is_quantized:
            values = values.dequantize()
        return values.resolve_conj().resolve_neg().cpu()


def _bytes(tensor: torch.Tensor) -> bytes:
    if tensor.dtype in AS_NUMPY:
        return tensor.numpy().tobytes()  # type: ignore[no-any-return]  # torch has no types here
    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes()  # type: ignore[no-any-return]  # as above


def _attributes(value: object) -> list[tuple[str, Any]]:
    """Return the parts of an object in which numbers could be."""
    try:
        return _parts(value)
    except Exception:  # noqa: BLE001  (it may be of anyone's class)
        return []


def _parts(value: object) -> list[tuple[str, Any]]:
    if isinstance(value, complex):
        return [("real", value.real), ("imag", value.imag)]
    if isinstance(value, np.ndarray):
        return [("values", _numbers(value))]
    if isinstance(value, int | float | np.number):
        return [("value", float(value))]
    if isinstance(value, NEVER_READ):
        return []
    found = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            if hasattr(value, name):
                found.setdefault(name, getattr(value, name))
    return [(str(name), item) for name, item in found.items()]


def _numbers(array: Any) -> Any:
    try:
        return torch.from_numpy(np.ascontiguousarray(array))
    except TypeError:  # text or objects
        return array.tolist()
