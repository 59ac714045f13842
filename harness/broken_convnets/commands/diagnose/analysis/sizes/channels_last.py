"""Images with their channels last, which a network normalizes as if they were first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.explanation import Explanation
from broken_convnets.commands.diagnose.analysis.sizes.expressions import (
    comes_from_input,
    origin_location,
    wrap_network,
    wrap_origin,
)
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import LATER, ranked
from broken_convnets.commands.diagnose.analysis.sizes.wording import shape

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.analysis.sizes.operands import Operands
    from broken_convnets.observe.recorder.values import Value

IMAGES = 4  # dimensions
FIRST = "{}.permute(0, 3, 1, 2)"  # moves the channels to where PyTorch expects them


def normalized_last(found: Operands) -> Explanation | None:
    """Explain a mean of shape [3, 1, 1] that is subtracted from images [8, 32, 32, 3]."""
    for images, other in ((found.left, found.right), (found.right, found.left)):
        if not _per_channel(other, images) or not comes_from_input(found.evidence, images):
            continue
        made = wrap_origin(found.evidence, images, {IMAGES: FIRST})
        called = wrap_network(found.evidence, found.failed, FIRST)
        return Explanation(
            "shape/nhwc_input",
            ranked((0, "", made), (LATER, "", called)),
            f"{shape(other)} has a number for each channel of images with their channels in "
            f"dimension 1; those of {shape(images)} are in dimension 3",
            cases=("shape/channels_last_images",),
            cause=origin_location(found.evidence, images),
        )
    return None


def _per_channel(other: Value, images: Value) -> bool:
    """Return whether a tensor has a number for each channel of images that have them last."""
    if len(images.shape) != IMAGES or len(other.shape) not in {IMAGES - 1, IMAGES}:
        return False
    channels, rest = other.shape[-3], (*other.shape[:-3], *other.shape[-2:])
    last = images.shape[-1] == channels > 1 and images.shape[1] != channels
    return last and all(size == 1 for size in rest)
