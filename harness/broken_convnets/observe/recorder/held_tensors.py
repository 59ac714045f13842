"""Tensors that modules hold outside of the state_dict, read before the first forward pass."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.observe.recorder.values import Value, Values

MODULES = 2_000  # that are read of one network
ITEMS = 32  # of one collection
OWN = frozenset(vars(nn.Module()))  # attributes of every module


@dataclass(frozen=True, slots=True)
class HeldTensor:
    """A tensor that is an attribute, an item of one, or a buffer that is not persistent.

    `alias_of` is the parameter or buffer of the same module that has the same memory.
    """

    path: str  # of the module
    module: weakref.ref[nn.Module]
    attribute: str
    item: str  # "[0]" or "['mean']" in a collection; empty for the attribute itself
    is_buffer: bool
    is_leaf: bool
    value: Value
    alias_of: str = ""


@dataclass(frozen=True, slots=True)
class HeldTensors:
    """The tensors that the modules of one network hold."""

    network: weakref.ref[nn.Module]
    tensors: tuple[HeldTensor, ...]


def held_tensors(root: nn.Module, values: Values) -> HeldTensors:
    """Return the tensors of a network that its state_dict does not contain."""
    found: list[HeldTensor] = []
    for path, module in list(root.named_modules())[:MODULES]:
        registered = _registered(module)
        for name, item, tensor in (*_attributes(module), *_transient(module)):
            is_buffer = name in module._buffers  # noqa: SLF001  (`named_buffers` has no persistence)
            found.append(
                HeldTensor(
                    path=path,
                    module=weakref.ref(module),
                    attribute=name,
                    item=item,
                    is_buffer=is_buffer,
                    is_leaf=tensor.is_leaf,
                    value=values.of(tensor),
                    alias_of="" if is_buffer else registered.get(_memory(tensor), ""),
                )
            )
    return HeldTensors(weakref.ref(root), tuple(found))


def _attributes(module: nn.Module) -> Iterator[tuple[str, str, torch.Tensor]]:
    for name, value in list(vars(module).items()):
        if name in OWN:
            continue
        for item, tensor in _items(value):
            if isinstance(tensor, torch.Tensor):
                yield name, item, tensor


def _items(value: object) -> list[tuple[str, object]]:
    if type(value) is list or type(value) is tuple:
        return [(f"[{i}]", item) for i, item in enumerate(value[:ITEMS])]
    if type(value) is dict:
        return [(f"[{key!r}]", item) for key, item in list(value.items())[:ITEMS]]
    return [("", value)]


def _transient(module: nn.Module) -> Iterator[tuple[str, str, torch.Tensor]]:
    """Yield the buffers that are not persistent."""
    for name in sorted(module._non_persistent_buffers_set):  # noqa: SLF001  (no public equivalent)
        buffer = module._buffers.get(name)  # noqa: SLF001  (as above)
        if buffer is not None:
            yield name, "", buffer


def _registered(module: nn.Module) -> dict[int, str]:
    own = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    return {_memory(tensor): name for name, tensor in own if _memory(tensor)}


def _memory(tensor: torch.Tensor) -> int:
    """Return the address of the first element; 0 if there is none."""
    if tensor.layout is not torch.strided or tensor.device.type == "meta":
        return 0
    return int(tensor.data_ptr()) if tensor.numel() else 0
