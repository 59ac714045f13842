"""Count what a forward pass asks of torch: operators, FLOPs, bytes; the same on every run."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from broken_convnets.observe.facts import Cost
from broken_convnets.observe.program import tensors

if TYPE_CHECKING:
    from collections.abc import Sequence


def count_forward(net: torch.nn.Module, inputs: tuple[Any, ...]) -> Cost:
    """Return the cost of `net(*inputs)`; call it without autograd, whose graph holds memory.

    A pass that is not counted comes first: what a network makes at its first use is not what
    a pass costs. Raises whatever the network raises.
    """
    net(*inputs)
    collects = gc.isenabled()
    gc.disable()  # when cycles are freed must not depend on what ran before
    try:
        # The mode entered last sees an operator first, before FLOPs are taken from its parts.
        with FlopCounterMode(display=False) as flops, Count() as count:
            net(*inputs)
    finally:
        if collects:
            gc.enable()
    cost: Cost = count.cost(int(flops.get_total_flops()))
    return cost


class Count(TorchDispatchMode):  # type: ignore[misc]  # torch is not there for mypy
    """Sees every operator that runs while it is active, and follows the storages made."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        super().__init__()
        self._operators: Counter[str] = Counter()
        self._output_bytes = self._allocations = self._peak = self._live = 0
        self._known: set[int] = set()  # storages that exist now

    def cost(self, flops: int) -> Cost:
        """Return what was counted, with the FLOPs that were counted beside it."""
        operators = [f"{times} {operator}" for operator, times in self._operators.items()]
        return Cost(flops, self._output_bytes, self._allocations, self._peak, operators)

    def __torch_dispatch__(  # noqa: D105  (the protocol of a dispatch mode)
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        taken = tensors((args, kwargs or {}))
        for tensor in taken:
            self._meet(tensor, made=False)
        output = func(*args, **(kwargs or {}))
        given = tensors(output)
        for tensor in given:
            self._output_bytes += tensor.numel() * tensor.element_size()
            self._meet(tensor, made=True)
        self._operators[f"{func} {_dtypes(taken)} -> {_dtypes(given)}"] += 1
        return output

    def _meet(self, tensor: torch.Tensor, *, made: bool) -> None:
        """Follow the storage of a tensor until it is freed; count it where it was just made."""
        if tensor.layout is not torch.strided:
            return  # has no storage of its own
        storage = tensor.untyped_storage()
        key = storage._cdata  # noqa: SLF001  (its address: what tells two storages apart)
        if key in self._known:
            return
        size = storage.nbytes() if made else 0
        self._known.add(key)
        self._allocations += made
        self._live += size
        self._peak = max(self._peak, self._live)
        weakref.finalize(storage, self._forget, key, size).atexit = False

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._live -= size


def _dtypes(values: list[torch.Tensor]) -> str:
    return ", ".join(str(value.dtype).removeprefix("torch.") for value in values) or "nothing"
