"""Tensors, arrays, PIL images and numbers as tensors."""

from __future__ import annotations

import numpy as np
import torch


def tensor_of(item: object) -> torch.Tensor | None:
    """Return a copy of the numbers of an item; None for what is not numbers."""
    if isinstance(item, torch.Tensor):
        return item.detach().as_subclass(torch.Tensor).clone()
    array = np.array(item)
    return torch.from_numpy(array) if array.dtype.kind in "biuf" else None
