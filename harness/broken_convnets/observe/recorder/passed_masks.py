"""Record masks that a random transform of torchvision v2 returns as they are: plain tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.recorder.places import user_places

if TYPE_CHECKING:
    from types import FrameType

    from torch import nn

    from broken_convnets.observe.recorder.places import Place

PACKAGE = "torchvision.transforms.v2"
# Random transforms that move pixels.
SPATIAL = frozenset(
    {"RandomHorizontalFlip", "RandomVerticalFlip", "RandomRotation", "RandomAffine", "RandomCrop"}
    | {"RandomResizedCrop", "RandomPerspective", "ElasticTransform", "RandomZoomOut"}
    | {"RandomIoUCrop", "RandomShortestSize", "ScaleJitter"}
)
LEVELS = 32  # different values of a mask, at most
DEPTH = 3  # of collections of arguments


@dataclass(frozen=True, slots=True)
class PassedMask:
    """A mask that a transform received beside an image, and left as it was."""

    transform: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    places: tuple[Place, ...]


def is_mask(tensor: torch.Tensor) -> bool:
    """Return whether a tensor is one plane of few different values, at least two."""
    planes = tensor.shape[:-2]
    if tensor.ndim < 2 or any(size != 1 for size in planes) or min(tensor.shape[-2:]) < 4:  # noqa: PLR2004  (height, width)
        return False
    return 1 < len(torch.unique(tensor)) <= LEVELS


def moves_pixels(module: nn.Module) -> bool:
    """Return whether a module is a transform of torchvision v2 that moves pixels at random."""
    kind = type(module)
    known = kind.__name__ in SPATIAL and kind.__module__.startswith(PACKAGE)
    return known and getattr(module, "p", 1) != 0


def passed_mask(module: nn.Module, inputs: Any, caller: FrameType) -> PassedMask | None:
    """Return the mask that a transform is about to leave as it is; None if there is none.

    The transforms of v2 pass plain tensors through if there is an image, and all but the first
    plain tensor if there is none.
    """
    leaves = _leaves(inputs, DEPTH)
    plain = [leaf for leaf in leaves if type(leaf) is torch.Tensor]
    size = next((found for leaf in leaves if (found := _image_size(leaf))), None)
    if size is None and plain:
        image, *plain = plain
        size = tuple(image.shape[-2:])
    masks = (one for one in plain if tuple(one.shape[-2:]) == size and is_mask(one))
    mask = next(masks, None)
    places = user_places(caller) if mask is not None else ()
    if mask is None or not places:
        return None
    return PassedMask(type(module).__name__, tuple(mask.shape), mask.dtype, places)


def _image_size(leaf: Any) -> tuple[int, ...] | None:
    """Return the height and width of an image or a video of torchvision or PIL."""
    module, name = type(leaf).__module__, type(leaf).__name__
    if module.startswith("torchvision.tv_tensors") and name in {"Image", "Video"}:
        return tuple(leaf.shape[-2:])
    if module.startswith("PIL."):
        return tuple(reversed(leaf.size))
    return None


def _leaves(inputs: Any, depth: int) -> list[Any]:
    if isinstance(inputs, dict):
        inputs = list(inputs.values())
    if not isinstance(inputs, tuple | list) or not depth:
        return [inputs]
    return [leaf for item in inputs for leaf in _leaves(item, depth - 1)]
