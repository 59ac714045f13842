"""Count the ATen operators below autograd, the bytes they return and the storages they make."""

from __future__ import annotations

import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from broken_convnets.observe.facts import Cost
from broken_convnets.observe.trees import tensors

if TYPE_CHECKING:
    from collections.abc import Sequence


class DispatchCounts(TorchDispatchMode):  # type: ignore[misc]  # torch is not there for mypy
    """Sees every ATen operator that runs while it is active, and follows the storages they make."""

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

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call `func`, and count it."""
        inputs = tensors((args, kwargs or {}))
        for tensor in inputs:
            self._meet(tensor, allocated=False)
        output = func(*args, **(kwargs or {}))
        outputs = tensors(output)
        for tensor in outputs:
            self._output_bytes += tensor.numel() * tensor.element_size()
            self._meet(tensor, allocated=True)
        self._operators[f"{func} {_dtypes(inputs)} -> {_dtypes(outputs)}"] += 1
        return output

    def _meet(self, tensor: torch.Tensor, *, allocated: bool) -> None:
        """Follow the storage of a tensor until it is freed; count it if it was just allocated."""
        if tensor.layout is not torch.strided:
            return  # has no storage of its own
        storage = tensor.untyped_storage()
        key = storage._cdata  # noqa: SLF001  (its address, by which two storages differ)
        if key in self._known:
            return
        size = storage.nbytes() if allocated else 0
        self._known.add(key)
        self._allocations += allocated
        self._live += size
        self._peak = max(self._peak, self._live)
        weakref.finalize(storage, self._forget, key, size).atexit = False

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._live -= size


def _dtypes(values: list[torch.Tensor]) -> str:
    return ", ".join(str(value.dtype).removeprefix("torch.") for value in values) or "nothing"
