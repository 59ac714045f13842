"""The sizes at which a forward pass is timed."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.trees import map_tensors, tensors

if TYPE_CHECKING:
    from broken_convnets.observe.program import Program

IMAGE_DIMENSIONS = 4  # at least: (N, C, H, W), or (N, C, T, H, W)
BATCH = 32
SIDE = 224  # pixels: the usual input size of published networks


class Size(StrEnum):
    """How large the inputs are."""

    SMALL = "small"  # the program's example inputs
    BATCH = "batch"  # the same with a batch size of 32
    IMAGE = "image"  # one sample, with images scaled to 224x224


def inputs_of(program: Program, size: Size) -> tuple[Any, ...]:
    """Return the program's inputs at a size; the network may reject them.

    Raises ValueError for Size.IMAGE if they contain no image.
    """
    if size is Size.SMALL:
        return program.inputs()
    if size is Size.BATCH:
        return program.inputs(BATCH)
    inputs = program.inputs(1)
    if not any(is_image(tensor) for tensor in tensors(inputs)):
        message = "the inputs contain no image"
        raise ValueError(message)
    scaled: tuple[Any, ...] = map_tensors(inputs, scale)
    return scaled


def is_image(tensor: torch.Tensor) -> bool:
    """Return whether a tensor's last two dimensions are a height and a width."""
    return int(tensor.ndim) >= IMAGE_DIMENSIONS


def scale(image: torch.Tensor) -> torch.Tensor:
    """Return (N, C, ..., H, W) images at 224x224, by repeating pixels."""
    if not is_image(image):
        return image
    for dimension in (-2, -1):
        count = image.shape[dimension]
        index = torch.arange(SIDE, device=image.device) * count // SIDE
        image = image.index_select(dimension, index)
    return image
