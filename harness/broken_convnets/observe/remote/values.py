"""Values as they travel between the judge and a program: plain data and the bytes of tensors.

Nothing is pickled: what a program sends cannot run code when it is decoded. A tensor or an object
may come with a handle, by which the judge can pass the very same one back.
"""

from __future__ import annotations

import torch
from msgspec import Struct

DTYPES = {name: value for name, value in vars(torch).items() if isinstance(value, torch.dtype)}


class TensorValue(Struct, tag="tensor", frozen=True, array_like=True):
    """A tensor. `data` is None if its numbers cannot be read, as on the `meta` device.

    `carried` is the dtype of `data`: that of the tensor, but float32 for a quantized one.
    `strides` is None for a contiguous tensor.
    """

    dtype: str
    carried: str
    shape: list[int]
    device: str
    data: bytes | None
    strides: list[int] | None = None
    requires_grad: bool = False
    handle: int = 0


class ListValue(Struct, tag="list", frozen=True, array_like=True):
    """A list."""

    items: list[Value]


class TupleValue(Struct, tag="tuple", frozen=True, array_like=True):
    """A tuple, also one with names."""

    items: list[Value]


class DictValue(Struct, tag="dict", frozen=True, array_like=True):
    """A mapping."""

    items: list[tuple[Value, Value]]


class ObjectValue(Struct, tag="object", frozen=True, array_like=True):
    """Any other object: the name of its type, and its attributes as far as they can be read."""

    type_name: str
    attributes: list[tuple[str, Value]]
    is_dataclass: bool = False
    handle: int = 0


Value = (
    bool | int | float | str | TensorValue | ListValue | TupleValue | DictValue | ObjectValue | None
)


class Request(Struct, frozen=True, array_like=True):
    """One thing that the judge asks of a program; `freed` are handles that it has dropped."""

    method: str
    arguments: list[Value]
    freed: list[int]


class Returned(Struct, tag="returned", frozen=True, array_like=True):
    """The answer to a request."""

    value: Value


class Raised(Struct, tag="raised", frozen=True, array_like=True):
    """What a request raised: the names of the exception's classes, and its message."""

    classes: list[str]
    message: str


Reply = Returned | Raised
