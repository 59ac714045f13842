"""Find the tensors and arrays that an object holds, directly or through others."""

from __future__ import annotations

import zlib
from collections import deque
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import nn

from broken_convnets.observe.recorder.places import is_user_file

if TYPE_CHECKING:
    from collections.abc import Iterator

OBJECTS = 2_000  # that are looked at
ITEMS = 64  # of one collection
BYTES = 1 << 22  # of one array whose contents are compared
Array: TypeAlias = "torch.Tensor | np.ndarray[Any, Any]"
State = tuple[int, int]


def arrays_in(root: object) -> list[tuple[str, Array]]:
    """Return the tensors and arrays that an object holds, with names such as `mean`.

    Follows attributes, collections, and the functions of the user's with their closures and
    globals. Networks and the modules of libraries are left aside.
    """
    found: list[tuple[str, Array]] = []
    seen: set[int] = set()
    waiting: deque[tuple[str, object]] = deque([("", root)])
    while waiting and len(seen) < OBJECTS:
        name, value = waiting.popleft()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, torch.Tensor | np.ndarray):
            if is_plain(value):
                found.append((name, value))
        else:
            waiting.extend(_inside(name, value))
    return found


def state_of(array: Array) -> State:
    """Return what changes when an array is written to: version counter and checksum."""
    version = array._version if isinstance(array, torch.Tensor) else 0  # noqa: SLF001  (no public equivalent)
    numbers = array.detach().numpy() if isinstance(array, torch.Tensor) else array
    if numbers.nbytes > BYTES:
        return version, 0
    return version, zlib.crc32(np.ascontiguousarray(numbers).view(np.uint8).reshape(-1))


def is_plain(array: Array) -> bool:
    """Return whether the numbers of an array are in memory as NumPy can read them."""
    if isinstance(array, torch.Tensor):
        plain = array.layout is torch.strided and array.device.type == "cpu"
        return plain and not array.is_inference() and array.dtype is not torch.bfloat16
    return array.dtype.kind in "biuf" and array.ndim > 0


def _inside(name: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, item in list(value.items())[:ITEMS]:
            yield f"{name}[{key!r}]", item
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value[:ITEMS]):
            yield f"{name}[{number}]", item
    elif isinstance(value, MethodType):
        yield name, value.__self__
        yield name, value.__func__
    elif isinstance(value, FunctionType):
        yield from _of_function(value)
    elif isinstance(value, ModuleType) and not is_user_file(_file_of(value)):
        return
    elif not isinstance(value, type | nn.Module) or _is_transform(value):
        yield from _of_object(name, value)


def _file_of(module: ModuleType) -> str:
    """Return the path of a module; those without one, such as `sys`, are no user's."""
    return getattr(module, "__file__", None) or "<built-in>"


def _is_transform(value: object) -> bool:
    return isinstance(value, nn.Module) and not any(True for _ in value.parameters())


def _of_object(name: str, value: object) -> Iterator[tuple[str, object]]:
    for attribute, item in list(getattr(value, "__dict__", {}).items())[:ITEMS]:
        yield f"{name}.{attribute}" if name else attribute, item
    for function in vars(type(value)).values() if hasattr(type(value), "__dict__") else ():
        if isinstance(function, FunctionType):
            yield "", function


def _of_function(function: FunctionType) -> Iterator[tuple[str, Any]]:
    if not is_user_file(function.__code__.co_filename):
        return
    for cell_name, cell in zip(
        function.__code__.co_freevars, function.__closure__ or (), strict=False
    ):
        try:
            yield cell_name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    for used in function.__code__.co_names:
        if used in function.__globals__:
            yield used, function.__globals__[used]
