"""Signatures of the images that a network receives, which normalization does not change.

Each channel is shifted and scaled to mean 0 and deviation 1 first. An image that a network receives
twice can so be found again, even if its channels are in another order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.describe import all_finite
from broken_convnets.observe.recorder.values import tensors_in

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.places import Place

IMAGES = 4  # dimensions of a batch of images
CHANNELS = frozenset({1, 3})
SIDE = 8  # rows and columns, at least
LOOKS = 16  # batches of one network in one mode from one place
NUMBERS = 200_000  # of a batch that are read
FLAT = 1e-6  # deviation of a channel that shows nothing


@dataclass(frozen=True, slots=True)
class ImageSignatures:
    """Of each image and channel: the mean, the deviation, and four numbers of the shape.

    `shapes` has its correlation with the row, with the column, with their product, and its
    skewness. `means` and `deviations` have the shape (images, channels).
    """

    means: torch.Tensor
    deviations: torch.Tensor
    shapes: torch.Tensor  # (images, channels, 4)


class ImageLooks:
    """Looks at the first batches that each network receives in each mode from each call."""

    def __init__(self) -> None:
        """Start with no network known."""
        self._looked: dict[tuple[int, bool, Place | None], int] = {}

    def of(
        self, network: int, arguments: object, place: Place | None, *, training: bool
    ) -> ImageSignatures | None:
        """Return the signatures of a batch of images; None for other batches, and later ones."""
        key = network, training, place
        looked = self._looked.get(key, 0)
        if looked >= LOOKS:
            return None
        self._looked[key] = looked + 1
        images = next((one for one in tensors_in(arguments) if one.dim() == IMAGES), None)
        if images is None:
            self._looked[key] = LOOKS  # this network receives no images
            return None
        if not images.numel() or all_finite(images) is None:
            return None
        if images.shape[1] not in CHANNELS and images.shape[3] in CHANNELS:
            images = images.movedim(3, 1)
        if images.shape[1] not in CHANNELS or min(images.shape[2:]) < SIDE:
            return None
        return signatures(images[: max(1, NUMBERS * len(images) // images.numel())])


def signatures(images: torch.Tensor) -> ImageSignatures:
    """Return the signatures of a batch of shape (images, channels, height, width)."""
    pixels = images.detach().float()
    means = pixels.mean((2, 3))
    centered = pixels - means[..., None, None]
    deviations = centered.square().mean((2, 3)).sqrt()
    standard = centered / deviations.clamp_min(FLAT)[..., None, None]
    rows, columns = (_ramp(size).to(pixels.device) for size in pixels.shape[2:])
    down = (standard.mean(3) * rows).mean(2)
    across = (standard.mean(2) * columns).mean(2)
    both = (standard * rows[:, None] * columns).mean((2, 3))
    shapes = torch.stack([down, across, both, standard.pow(3).mean((2, 3))], -1)
    return ImageSignatures(means.cpu(), deviations.cpu(), shapes.cpu())


def _ramp(size: int) -> torch.Tensor:
    numbers = torch.arange(size, dtype=torch.float32)
    return (numbers - numbers.mean()) / numbers.std(correction=0)
