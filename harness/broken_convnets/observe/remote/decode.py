"""Decode values that another process sent: tensors on the CPU, and stand-ins for objects."""

from __future__ import annotations

import math
from typing import Any

import torch

from broken_convnets.observe.remote.values import (
    DTYPES,
    DictValue,
    ListValue,
    ObjectValue,
    TensorValue,
    TupleValue,
    Value,
)


class Lease:
    """A handle of the other process, which may drop what it stands for when this is gone."""

    def __init__(self, handle: int, freed: list[int]) -> None:
        """Hold a handle; it is appended to `freed` in the end."""
        self.handle = handle
        self._freed = freed

    def is_of(self, freed: list[int]) -> bool:
        """Return whether the handle is released into this list, and so of that process."""
        return self._freed is freed

    def __del__(self) -> None:
        """Release the handle."""
        self._freed.append(self.handle)

    def __deepcopy__(self, memo: object) -> None:
        """Return nothing: a copy is not what the handle stands for."""


class RemoteObject:
    """An object of the other process that is neither a tensor nor a collection."""

    def __init__(self, type_name: str, lease: Lease) -> None:
        """Stand for the object of a handle."""
        self.type_name = type_name
        self.lease = lease


class Decoder:
    """Decodes values; what is decoded remembers its handle, which `freed` gets in the end."""

    def __init__(self, freed: list[int]) -> None:
        """Release handles into a list."""
        self._freed = freed

    def decode(self, value: Value) -> Any:
        """Return a value; raises ValueError if a tensor's bytes do not fit its shape."""
        if isinstance(value, TensorValue):
            tensor = decode_tensor(value)
            tensor.lease = Lease(value.handle, self._freed) if value.handle else None
            return tensor
        if isinstance(value, ListValue):
            return [self.decode(item) for item in value.items]
        if isinstance(value, TupleValue):
            return tuple(self.decode(item) for item in value.items)
        if isinstance(value, DictValue):
            return {self._key(key): self.decode(item) for key, item in value.items}
        if isinstance(value, ObjectValue):
            return RemoteObject(value.type_name, Lease(value.handle, self._freed))
        return value

    def _key(self, key: Value) -> Any:
        return key if isinstance(key, bool | int | float | str) else self.decode(key)


def decode_tensor(value: TensorValue) -> torch.Tensor:
    """Return a tensor on the CPU, or on `meta` if its numbers could not be read."""
    dtype, size = DTYPES[value.carried], math.prod(value.shape)
    if value.data is None:
        return torch.empty(value.shape, dtype=DTYPES[value.dtype], device="meta")
    if len(value.data) != size * dtype.itemsize:
        message = f"a tensor of {size} numbers has {len(value.data)} bytes"
        raise ValueError(message)
    flat = (
        torch.frombuffer(bytearray(value.data), dtype=dtype)
        if size
        else torch.empty(0, dtype=dtype)
    )
    if value.strides is None:
        tensor = flat.reshape(value.shape)
    else:
        order = sorted(range(len(value.shape)), key=lambda d: -value.strides[d])  # type: ignore[index]  # not None
        packed = flat.reshape([value.shape[d] for d in order])
        tensor = packed.permute([order.index(d) for d in range(len(order))])
    is_number = tensor.is_floating_point() or tensor.is_complex()
    return tensor.requires_grad_(value.requires_grad) if is_number else tensor
