"""The scale of the pixels that a network receives: bytes, bytes divided by 255, or neither."""

from __future__ import annotations

from collections import Counter
from enum import Enum

import torch

from broken_convnets.observe.describe import all_finite
from broken_convnets.observe.recorder.values import tensors_in

LARGE = 2_000_000  # elements of a batch that is not read
LOOKS = 4  # batches of one network in one mode
IMAGES = 4  # dimensions of a batch of images
CHANNELS = frozenset({1, 3, 4})
WHITE = 255
PIXELS = 8_192  # that are looked at, about: more take longer than a layer
LEVELS = 32  # different values of pixels, at least
NEAR = 1e-2
SMALL = 10
MUCH = 100


class Scale(Enum):
    """Which numbers the pixels of a batch of images are."""

    BYTES = "integers from 0 to 255"
    SHARES = "integers from 0 to 255 that were divided by 255"
    SMALL = "numbers from -10 to 10"
    LARGE = "numbers beyond 100 that are not pixels"


class Scales:
    """Looks at the first batches that each network receives in each mode."""

    def __init__(self) -> None:
        """Start with no network known."""
        self._looked: Counter[tuple[int, bool]] = Counter()

    def of(self, network: int, arguments: object, *, training: bool) -> Scale | None:
        """Return the scale of a batch of images; None for other batches, and later ones."""
        self._looked[network, training] += 1
        if self._looked[network, training] > LOOKS:
            return None
        images = next((one for one in tensors_in(arguments) if one.dim() == IMAGES), None)
        if images is None or not 0 < images.numel() <= LARGE or all_finite(images) is None:
            return None
        return None if CHANNELS.isdisjoint((images.shape[1], images.shape[3])) else _scale(images)


def _scale(images: torch.Tensor) -> Scale | None:
    pixels = images.detach().flatten().float()
    low, high = float(pixels.min()), float(pixels.max())
    values = torch.unique(pixels[:: 1 + len(pixels) // PIXELS])
    if low >= 0 and len(values) >= LEVELS:
        if WHITE / 2 < high <= WHITE and torch.equal(values, values.round()):
            return Scale.BYTES
        shares = values * WHITE
        if WHITE / 2 < high * WHITE <= WHITE and torch.allclose(shares, shares.round(), atol=NEAR):
            return Scale.SHARES
    if max(-low, high) > MUCH and not torch.equal(values, values.round()):
        return Scale.LARGE
    return Scale.SMALL if low >= -SMALL and high <= SMALL else None
