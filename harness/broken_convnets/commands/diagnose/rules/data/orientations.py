"""How one image, or one mask, is flipped or turned to become another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOSE = 0.5  # correlation of an image with itself after changes of its colors
MARGIN = 0.05  # by which the best correlation exceeds the others
Orientation = tuple[bool, int]  # whether it is mirrored first, and quarter turns


def orientations_of_mask(first: torch.Tensor, second: torch.Tensor) -> set[Orientation]:
    """Return all orientations that turn one mask of shape (height, width) into another."""
    return {
        key
        for key, turned in _turned(first)
        if turned.shape == second.shape and torch.equal(turned, second)
    }


def orientations_of_image(first: torch.Tensor, second: torch.Tensor) -> set[Orientation]:
    """Return the orientations that make one gray image most like another; none if unsure.

    Changes of brightness and contrast, and some noise, make no difference.
    """
    found = {
        key: _correlation(turned, second)
        for key, turned in _turned(first)
        if turned.shape == second.shape
    }
    best = max(found.values(), default=0.0)
    if best < CLOSE:
        return set()
    return {key for key, value in found.items() if value > best - MARGIN}


def _turned(image: torch.Tensor) -> Iterator[tuple[Orientation, torch.Tensor]]:
    for mirrored in (False, True):
        start = image.flip(1) if mirrored else image
        for turns in range(4):
            yield (mirrored, turns), start.rot90(turns)


def _correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    first, second = (image.double() - image.double().mean() for image in (one, other))
    scale = float(first.norm() * second.norm())
    return float((first * second).sum()) / scale if scale else 0.0
