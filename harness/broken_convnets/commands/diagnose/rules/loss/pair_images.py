"""The range of two images that a function of the user's receives, and images like them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.pair_calls import PairCall

BYTE = 255.0
PIXELS = 16  # of an image, at least
SMALL = 0.05  # how far pixels from 0 to 1 may lie outside
BYTES = 32.0  # the largest pixel of images from 0 to 255 is above it


def image_range(call: PairCall) -> float:
    """Return 1 for images from 0 to 1, 255 for those from 0 to 255; 0 for anything else."""
    one, other = (tensor.double() for tensor in call.pair)
    if one.shape != other.shape or one.dim() < 2 or one.numel() < PIXELS:  # noqa: PLR2004  (rows, columns)
        return 0.0
    ends = [(float(t.min()), float(t.max())) for t in (one, other)]
    integral = all(bool((t == t.round()).all()) for t in (one, other))
    if any(low >= -SMALL and SMALL < high <= 1 + SMALL for low, high in ends):
        near = all(low >= -1 and high <= 2 for low, high in ends)  # noqa: PLR2004  (of an output)
        return 1.0 if near and not integral else 0.0
    if any(low >= 0 and BYTES < high <= BYTE for low, high in ends):
        return BYTE if all(low >= -BYTE and high <= 2 * BYTE for low, high in ends) else 0.0
    return 0.0


def images_apart(call: PairCall, top: float, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two images of the shape of the call's, that differ by a share of the range."""
    one, other = call.pair
    generator = torch.Generator().manual_seed(0)
    image = (0.3 + 0.3 * torch.rand(one.shape, generator=generator)) * top
    image = image.round() if top == BYTE else image
    return (image + share * top).to(one.dtype), image.to(other.dtype)
