"""The scale of the pixels that a network receives: bytes, bytes divided by 255, or neither.

Normalized bytes are recognized by the equal distances between the levels of each channel.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.describe import all_finite
from broken_convnets.observe.recorder.values import tensors_in

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.places import Place

LARGE = 2_000_000  # elements of a batch that is not read
LOOKS = 4  # batches of one network in one mode
IMAGES = 4  # dimensions of a batch of images
CHANNELS = frozenset({1, 3, 4})
WHITE = 255
PIXELS = 8_192  # that are looked at, about: more take longer than a layer
LEVELS = 32  # different values of pixels, at least
NEAR = 1e-2
STEP = 5e-2  # of a level, by which it may be off
SMALL = 10
MUCH = 100


class Scale(Enum):
    """Which numbers the pixels of a batch of images are."""

    BYTES = "integers from 0 to 255"
    SHARES = "integers from 0 to 255 that were divided by 255"
    SHIFTED = "integers from 0 to 255 that were scaled and shifted, some below 0"
    SMALL = "numbers from -10 to 10"
    LARGE = "numbers beyond 100 that are not pixels"


class Scales:
    """Looks at the first batches that each network receives in each mode from each call."""

    def __init__(self) -> None:
        """Start with no network known."""
        self._looked: Counter[tuple[int, bool, Place | None]] = Counter()

    def of(
        self, network: int, arguments: object, place: Place | None, *, training: bool
    ) -> Scale | None:
        """Return the scale of a batch of images; None for other batches, and later ones."""
        key = network, training, place
        self._looked[key] += 1
        if self._looked[key] > LOOKS:
            return None
        images = next((one for one in tensors_in(arguments) if one.dim() == IMAGES), None)
        if images is None or not 0 < images.numel() <= LARGE or all_finite(images) is None:
            return None
        if CHANNELS.isdisjoint((images.shape[1], images.shape[3])):
            return None
        found = _scale(images)
        return Scale.SHIFTED if found is Scale.SMALL and _is_shifted(images) else found


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
    if max(-low, high) > MUCH and (low < 0 or not torch.equal(values, values.round())):
        return Scale.LARGE
    return Scale.SMALL if low >= -SMALL and high <= SMALL else None


def _is_shifted(images: torch.Tensor) -> bool:
    """Return whether the levels of each channel are at most 256 that are equally far apart."""
    last = images.shape[1] not in CHANNELS
    pixels = images.detach().movedim(3 if last else 1, 0).flatten(1).float()
    pixels = pixels[:, :: 1 + pixels.numel() // PIXELS]
    return bool(pixels.min() < 0) and all(map(_are_equally_apart, pixels.unbind()))


def _are_equally_apart(pixels: torch.Tensor) -> bool:
    levels = torch.unique(pixels)
    if not LEVELS <= len(levels) <= WHITE + 1:
        return False
    steps = (levels - levels[0]) / levels.diff().min()
    return bool(steps[-1] <= WHITE + 0.5) and torch.allclose(steps, steps.round(), atol=STEP)
