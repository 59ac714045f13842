"""Interpret the two shapes that a Linear layer could not multiply."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from broken_convnets.commands.explain.figures import Fact

if TYPE_CHECKING:
    import re

# Features that ResNet, DenseNet, MobileNet, EfficientNet or ConvNeXt return after pooling.
BACKBONES = {512, 768, 1024, 1280, 1408, 1536, 1664, 1792, 1920, 2048, 2208}
CLASSES = {365, 1000, 21841, 21843}  # of Places365, ImageNet-1k and ImageNet-21k
ROWS_PER_FEATURE = 16  # an unflattened feature map has many more rows than columns


def linear(match: re.Match[str]) -> Fact:
    """Read a Linear's input, `rows` x `arriving`, and the features that its weight expects."""
    rows, arriving, expected, _ = map(int, match.groups())
    more, tag = _relation(rows, arriving, expected)
    sentence = f"Linear expects {expected} features; its input has {arriving}, in {rows} rows."
    return Fact(f"{sentence}{more}", (tag,))


def _relation(rows: int, arriving: int, expected: int) -> tuple[str, str]:
    """Return what the likely mistake is, and its tag."""
    area = arriving * expected
    if 1 < arriving < area <= rows and rows % area == 0:
        more = (
            f" {rows} is a multiple of {expected} x {arriving}: possibly these are feature "
            f"maps of {expected} channels that were not pooled and flattened."
        )
        return more, "no pooling"
    if {arriving, expected} <= BACKBONES:
        more = (
            f" Common backbones return {arriving} or {expected} features: "
            "possibly this layer was built for another backbone."
        )
        return more, "another backbone"
    if arriving in CLASSES and expected in BACKBONES:
        more = (
            f" Common backbones have {arriving} classes and return {expected} features: "
            "possibly the backbone still ends with its own classifier."
        )
        return more, "class scores"
    pixels = arriving // expected if expected > 0 and arriving % expected == 0 else 0
    if pixels > 1 and math.isqrt(pixels) ** 2 == pixels:
        size = f"{math.isqrt(pixels)} x {math.isqrt(pixels)}"
        more = (
            f" {arriving} = {expected} x {size}: possibly {expected} channels arrive with "
            f"{size} pixels each, and the layer expects one pixel."
        )
        return more, "pixels per channel"
    return _unflattened(rows, arriving, expected) or ("", "other features")


def _unflattened(rows: int, arriving: int, expected: int) -> tuple[str, str] | None:
    """Return why each sample may arrive as several rows, and the tag; None if it does not."""
    if arriving < 1:
        return None
    parts = expected // arriving if arriving < expected and expected % arriving == 0 else 0
    if parts and rows % parts == 0:
        return _parts(rows, arriving, parts)
    if arriving > 1 and rows % arriving == 0 and rows >= ROWS_PER_FEATURE * arriving:
        more = (
            f" {rows} is a multiple of {arriving}: possibly these are feature maps "
            f"{arriving} pixels wide that were not flattened."
        )
        return more, "no flatten"
    return None


def _parts(rows: int, arriving: int, parts: int) -> tuple[str, str]:
    """Return the likely reason why each sample arrives as `parts` rows, and its tag."""
    expected = parts * arriving
    product = f"{expected} = {parts} x {arriving}, and {parts} divides {rows}"
    if rows % arriving == 0:
        more = f" {product}: possibly the flatten is missing, with a batch of {rows // parts}."
        return more, "no flatten"
    if rows == parts:
        more = f" {expected} = {rows} x {arriving}: possibly this is one image without its batch."
        return more, "one image"
    if math.isqrt(parts) ** 2 == parts:
        more = (
            f" {expected} = {parts} x {arriving}: possibly the images have sides "
            f"{math.isqrt(parts)} times shorter than the layer was built for."
        )
        return more, "other features"
    more = f" {product}: possibly each sample arrives as {parts} separate rows."
    return more, "parts as rows"
