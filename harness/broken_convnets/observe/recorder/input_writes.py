"""Which inputs of a forward pass were written to while it ran."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from broken_convnets.observe.recorder.values import tensors_in

if TYPE_CHECKING:
    import torch

    from broken_convnets.observe.recorder.values import Value


class InputVersions:
    """The version counters of the inputs of a pass as it begins; keeps no tensor alive."""

    def __init__(self, inputs: object, values: tuple[Value, ...]) -> None:
        """Read the counters; `values` are those of the tensors in `inputs`."""
        self._before = [
            (weakref.ref(tensor), _version(tensor), value)
            for tensor, value in zip(tensors_in(inputs), values, strict=True)
        ]

    def written(self) -> tuple[Value, ...]:
        """Return the inputs that were written to since."""
        found = []
        for reference, version, value in self._before:
            tensor = reference()
            if tensor is not None and _version(tensor) != version:
                found.append(value)
        return tuple(found)


def _version(tensor: torch.Tensor) -> int:
    """Return how often a tensor was written to; torch does not count it in inference mode."""
    return 0 if tensor.is_inference() else int(tensor._version)  # noqa: SLF001  (there is no public one)
