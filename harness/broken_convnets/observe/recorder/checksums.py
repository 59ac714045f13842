"""Checksums by which batches and weights are recognized when they appear again."""

from __future__ import annotations

import zlib
from typing import Any

import torch

from broken_convnets.observe.describe import has_values
from broken_convnets.observe.recorder.values import tensors_in

LARGE = 2_000_000  # elements of a batch that is not read
DIMENSIONS = 2  # of a batch of samples, and of a weight, at least
NUMBERS = 4_096  # of a weight
DEVICES = frozenset({"cpu", "cuda"})


def rows_in(arguments: object) -> tuple[int, ...]:
    """Return a checksum of each row of the first batch of numbers; none if it cannot be read."""
    batches = (one for one in tensors_in(arguments) if one.dim() >= DIMENSIONS)
    batch = next(batches, None)
    if batch is None or not 0 < batch.numel() <= LARGE or batch.device.type not in DEVICES:
        return ()
    if not has_values(batch):
        return ()
    return tuple(map(zlib.crc32, _bytes_of(batch)))


def weights_in(parameters: list[torch.Tensor]) -> int:
    """Return a checksum of the last weight, a trained one if there is any; 0 if not readable."""
    trained = [one for one in parameters if one.requires_grad] or parameters
    weights = (one for one in reversed(trained) if one.dim() >= DIMENSIONS)
    weight = next(weights, None)
    if weight is None or weight.device.type not in DEVICES or not has_values(weight):
        return 0
    return zlib.crc32(_bytes_of(weight.detach().flatten()[:NUMBERS]))


def _bytes_of(tensor: torch.Tensor) -> Any:
    """Return the bytes of a tensor as an array; none inside of `vmap`, which hides them."""
    try:
        return tensor.detach().cpu().contiguous().view(torch.uint8).numpy()
    except RuntimeError:
        return b""
