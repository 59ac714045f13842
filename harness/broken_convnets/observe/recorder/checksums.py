"""Checksums by which batches and weights are recognized when they appear again."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.describe import all_finite
from broken_convnets.observe.recorder.values import tensors_in

if TYPE_CHECKING:
    from torch import nn

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
    if all_finite(batch) is None:
        return ()
    data = batch.detach().cpu().contiguous().view(torch.uint8).numpy()
    return tuple(map(zlib.crc32, data))


def weights_of(network: nn.Module) -> int:
    """Return a checksum of the last weight, a trained one if there is any; 0 if not readable."""
    every = list(network.parameters())
    trained = [one for one in every if one.requires_grad] or every
    weights = (one for one in reversed(trained) if one.dim() >= DIMENSIONS)
    weight = next(weights, None)
    if weight is None or weight.device.type not in DEVICES or all_finite(weight) is None:
        return 0
    numbers = weight.detach().flatten()[:NUMBERS].cpu().contiguous()
    return zlib.crc32(numbers.view(torch.uint8).numpy())
