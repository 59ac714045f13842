"""Which random transforms of torchvision move an image or a mask, and in which random state."""

from __future__ import annotations

import sys
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from broken_convnets.commands.diagnose.rules.data.pictures import tensor_of
from broken_convnets.observe.recorder.passed_masks import SPATIAL, is_mask
from broken_convnets.observe.recorder.places import user_places

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from broken_convnets.observe.recorder.places import Place

PACKAGE = "torchvision.transforms"


@dataclass(frozen=True)
class SpatialCall:
    """One call. `state` is a checksum of torch's random state at its begin."""

    type: str
    state: int
    of_mask: bool
    of_both: bool
    place: Place | None


def spatial_calls(read: Callable[[], object]) -> list[SpatialCall]:
    """Return the calls of random transforms that move pixels, while `read` runs."""
    found: list[SpatialCall] = []

    def note(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        kind = type(module)
        if kind.__name__ not in SPATIAL or not kind.__module__.startswith(PACKAGE):
            return
        pictures = [picture for item in _leaves(inputs) if (picture := tensor_of(item)) is not None]
        if pictures:
            masks = [is_mask(picture) for picture in pictures]
            state = zlib.crc32(torch.get_rng_state().numpy())
            places = user_places(sys._getframe(1), 1)  # noqa: SLF001  (no public equivalent)
            place = places[0] if places else None
            found.append(SpatialCall(kind.__name__, state, all(masks), len(masks) > 1, place))

    handle = register_module_forward_pre_hook(note)
    try:
        read()
    finally:
        handle.remove()
    return found


def _leaves(inputs: tuple[Any, ...]) -> list[Any]:
    found: list[Any] = []
    for item in inputs:
        if isinstance(item, tuple | list):
            found += _leaves(tuple(item))
        elif isinstance(item, dict):
            found += _leaves(tuple(item.values()))
        else:
            found.append(item)
    return found
