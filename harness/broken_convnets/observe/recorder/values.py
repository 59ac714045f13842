"""The tensors that operators exchange, by identity, without keeping any tensor alive."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from broken_convnets.observe.describe import all_finite

DEPTH = 4  # of collections inside collections
ITEMS = 64  # of one collection
LEAVES = {int, float, bool, str, type(None)}
State = tuple[int, int] | None  # a tensor's identity and how often it was written to
SWEEP = 4_096  # entries of the table before dead ones are dropped


@dataclass(slots=True, eq=False)
class Value:
    """What one tensor was between two operators; an in-place operator makes a new value.

    `operator` is the number of the one that returned it; None for a value that came from
    elsewhere: a parameter, a batch. `former` is what the same parameter was before it moved to
    another device or dtype. `finite` and `scalar` are None if they were not looked at.
    """

    number: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    requires_grad: bool
    parameter: bool
    operator: int | None = None
    finite: bool | None = None
    nan: bool = False  # whether it has a NaN, if it was looked at
    scalar: float | None = None
    former: Value | None = None

    def __str__(self) -> str:
        """Return dtype and shape, as tables show them."""
        return f"{str(self.dtype).removeprefix('torch.')}{list(self.shape)}"


class Values:
    """A table from tensors that are alive to their latest values."""

    def __init__(self) -> None:
        """Start with no tensor known."""
        self.count = 0
        self._known: dict[int, tuple[weakref.ref[torch.Tensor], Value]] = {}
        self._sweep_at = SWEEP

    def known(self, tensor: torch.Tensor) -> Value | None:
        """Return the value of a tensor that was met before.

        `module.half()` and `module.to(device)` replace the data of parameters: a new value.
        """
        entry = self._known.get(id(tensor))
        if entry is None or entry[0]() is not tensor or _has_moved(entry[1], tensor):
            return None
        return entry[1]

    def of(self, tensor: torch.Tensor) -> Value:
        """Return the value of a tensor; a new one if it was never met."""
        known = self.known(tensor)
        if known is not None:
            return known
        entry = self._known.get(id(tensor))
        value = self.new(tensor, None)
        if entry is not None and entry[0]() is tensor:
            value.former = entry[1]
        return value

    def new(self, tensor: torch.Tensor, operator: int | None) -> Value:
        """Return a new value for a tensor that an operator has returned or changed."""
        value = Value(
            self.count,
            tuple(tensor.shape),
            tensor.dtype,
            tensor.device,
            tensor.requires_grad,
            type(tensor) is not torch.Tensor and isinstance(tensor, torch.nn.Parameter),
            operator,
        )
        self.count += 1
        self._known[id(tensor)] = (weakref.ref(tensor), value)
        if len(self._known) > self._sweep_at:
            self._drop_dead()
        return value

    def share(self, tensor: torch.Tensor, other: torch.Tensor) -> None:
        """Let a new tensor have the value of another, if both require a gradient or none does."""
        if tensor.requires_grad == other.requires_grad:
            self._known[id(tensor)] = (weakref.ref(tensor), self.of(other))

    def is_finite(self, tensor: torch.Tensor) -> bool | None:
        """Return whether a tensor is finite, looking at its numbers only if no one has yet."""
        value = self.known(tensor)
        if value is None or value.finite is None:
            return all_finite(tensor)
        return value.finite

    def _drop_dead(self) -> None:
        self._known = {key: entry for key, entry in self._known.items() if entry[0]() is not None}
        self._sweep_at = max(SWEEP, 2 * len(self._known))


def _has_moved(value: Value, tensor: torch.Tensor) -> bool:
    """Return whether a tensor has another dtype, or a parameter is on another device."""
    if value.dtype is not tensor.dtype:
        return True
    return value.parameter and value.device != tensor.device


def look_at(value: Value, tensor: torch.Tensor) -> None:
    """Fill in whether a tensor is finite, and its number if it is one on the CPU."""
    value.finite = all_finite(tensor)
    if value.finite is False:
        value.nan = bool(torch.isnan(tensor.detach()).any())
    if value.finite is not None and tensor.numel() == 1 and tensor.device.type == "cpu":
        number = tensor.detach().item()
        value.scalar = number if isinstance(number, float) else None


def gradient_of(parameter: torch.Tensor) -> torch.Tensor | None:
    """Return `.grad`, or None for a tensor that has none by itself: torch would warn about it."""
    return parameter.grad if parameter.is_leaf or parameter.retains_grad else None


def is_zero(tensor: torch.Tensor) -> bool:
    """Return whether a dense tensor has no element but 0."""
    return tensor.layout is torch.strided and not bool(tensor.any())


def state_of(tensor: torch.Tensor | None) -> State:
    """Return what changes when a tensor is replaced or written to."""
    return None if tensor is None else (id(tensor), tensor._version)  # noqa: SLF001  (no public equivalent)


def tensors_in(value: object, depth: int = DEPTH) -> list[torch.Tensor]:
    """Return the tensors in any nesting of tuples, lists, mappings and dataclasses, in order."""
    found: list[torch.Tensor] = []
    _collect(value, found, depth)
    return found


def _collect(value: object, found: list[torch.Tensor], depth: int) -> None:
    if isinstance(value, torch.Tensor):
        found.append(value)
    elif type(value) in LEAVES or not depth:
        return
    elif isinstance(value, tuple | list):
        for item in value[:ITEMS]:
            _collect(item, found, depth - 1)
    elif type(value) is dict:
        for item in list(value.values())[:ITEMS]:
            _collect(item, found, depth - 1)
    elif isinstance(value, Mapping):
        _collect(_safely(value), found, depth - 1)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [getattr(value, field.name, None) for field in dataclasses.fields(value)]
        _collect(fields, found, depth - 1)


def _safely(mapping: Mapping[object, object]) -> list[object]:
    try:
        return list(mapping.values())[:ITEMS]
    except Exception:  # noqa: BLE001  (a mapping may be of anyone's class)
        return []
