"""Interpret the channels that a convolution expects and the shape of its input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.explain.figures import COLOURS, Fact, numbers, shown

if TYPE_CHECKING:
    import re

IMAGES = 4  # dimensions of a batch of images
MOST_IMAGE_CHANNELS = 16  # that a network may expect of its images, with several joined ones


def conv(match: re.Match[str]) -> Fact:
    """Read a convolution's groups, the shape of its input, and its channels."""
    groups = int(match[2]) if match[1] == "groups" else 1
    shape, expected, got = numbers(match[3]), int(match[4]), int(match[5])
    sentence = f"The layer expects {expected} channels; its input, {shown(shape)}, has {got}."
    if groups > 1 and groups != expected:
        return Fact(f"{sentence} It splits them into {groups} groups.", ("groups",))
    if _is_channels_last(shape, expected, got):
        more = f" The last size is {shape[-1]}: possibly the channels are in the last dimension."
        return Fact(sentence + more, ("channels last",))
    if expected in COLOURS:
        more, tag = _images(shape, expected, got)
    else:
        more, tag = _maps(expected, got, transposed=match[1] == "transposed")
    return Fact(sentence + more, (tag,))


def _is_channels_last(shape: list[int], expected: int, got: int) -> bool:
    """Return whether the last size may be that of the channels.

    A square feature map may have as many pixels per side as the layer expects channels: then its
    last two sizes are equal.
    """
    last, sides = shape[-1] if shape else 0, shape[1:-1]
    if last == got or not sides:
        return False
    if last in COLOURS and expected in COLOURS:
        return got not in COLOURS
    image = len(shape) == IMAGES
    return last == expected and (not image or sides[0] == sides[1])


def _images(shape: list[int], expected: int, got: int) -> tuple[str, str]:
    """Return what the channels of an image mean, for a layer that expects an image, and a tag."""
    if got == 1 and shape[:1] == [expected]:
        more = (
            f" {expected} is the first size: possibly batch and channels are swapped, "
            "or the images are grayscale."
        )
        return more, "grayscale"
    if len(shape) > IMAGES and shape[2] == expected:
        return f" {expected} is the third size: possibly the second one is time or depth.", "frames"
    words = {
        (3, 1): (" A grayscale image has one channel.", "grayscale"),
        (4, 1): (" A grayscale image has one channel.", "grayscale"),
        (3, 4): (" An image with transparency has four channels.", "alpha"),
        (1, 3): (" A color image has three channels.", "color into grayscale"),
        (1, 4): (" An image with transparency has four channels.", "color into grayscale"),
        (4, 3): (" A color image without transparency has three channels.", "chain"),
    }
    return words.get((expected, got), ("", "chain"))


def _maps(expected: int, got: int, *, transposed: bool) -> tuple[str, str]:
    """Return what the channels mean for a layer that expects feature maps, and a tag."""
    if got in COLOURS and expected > MOST_IMAGE_CHANNELS:
        return f" Images have {got} channels: possibly an earlier layer is missing.", "image"
    if got == 2 * expected and not transposed:
        return f" {got} = 2 x {expected}: possibly two feature maps were joined.", "joined"
    return "", "chain"
