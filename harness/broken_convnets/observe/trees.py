"""Tensors inside any nesting of tuples, lists and dicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def move(values: Any, device: torch.device) -> Any:
    """Return `values` with every tensor inside on `device`."""
    return map_tensors(values, lambda tensor: tensor.to(device))


def map_tensors(values: Any, change: Callable[[torch.Tensor], Any]) -> Any:
    """Return `values` with `change` applied to every tensor inside."""
    return pytree.tree_map(
        lambda value: change(value) if isinstance(value, torch.Tensor) else value, values
    )


def detached(values: Any) -> Any:
    """Return `values` with a detached copy of every tensor inside."""
    return map_tensors(values, lambda tensor: tensor.detach().clone())


def tensors(values: object) -> list[torch.Tensor]:
    """Return the tensors inside `values`, in order."""
    leaves, _ = pytree.tree_flatten(values)
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]


def without_iterators(arguments: Iterable[Any]) -> tuple[Any, ...]:
    """Return the arguments of a call with each iterator as a tuple, which can be read twice."""
    return tuple(tuple(one) if isinstance(one, Iterator) else one for one in arguments)
