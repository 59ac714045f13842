"""Interpret the shapes and sizes in a message: one function per family of messages.

What is certain is stated as a fact, what is likely begins with "possibly". A tag names a relation
between the numbers that separates one mistake from another.
"""

from __future__ import annotations

import math
import re

from msgspec import Struct

COLOURS = {1, 3, 4}  # channels of grayscale, color and transparent images
DIMENSIONS = {
    0: "the batch, usually",
    1: "the channels, in a batch of images",
    2: "the height, in a batch of images",
    3: "the width, in a batch of images",
    4: "the width, in a batch of volumes",
}
WHITE = 255  # the value of white in an image with a byte per pixel


class Fact(Struct, frozen=True):
    """What the numbers of a message mean; `tags` separate mistakes with the same message."""

    sentence: str
    tags: tuple[str, ...] = ()


def numbers(text: str) -> list[int]:
    """Return the integers in a text, each of at most twelve digits."""
    return [int(number) for number in re.findall(r"-?\d{1,12}", text)]


def shown(shape: list[int]) -> str:
    """Return a shape as torch writes it."""
    return f"[{', '.join(map(str, shape))}]"


def elementwise(match: re.Match[str]) -> Fact:
    """Read the sizes of two operands."""
    return _operands(*map(int, match.groups()))


def broadcast(match: re.Match[str]) -> Fact | None:
    """Read the shapes of two operands that do not broadcast; dimensions count from the last."""
    one, other = numbers(match[1]), numbers(match[2])
    last = zip(reversed(one), reversed(other), strict=False)
    for place, (a, b) in enumerate(last, start=1):
        if a != b and 1 not in {a, b}:
            return _operands(a, b, max(len(one), len(other)) - place)
    return None


def _operands(a: int, b: int, dimension: int) -> Fact:
    where = DIMENSIONS.get(dimension, "a height, width or depth")
    sentence = f"In dimension {dimension} ({where}), one tensor has size {a} and the other {b}."
    sort = {0: "in the batch", 1: "in the channels"}.get(dimension, "in the map")
    if dimension == 0 and {a, b} <= COLOURS:
        sort = "in the colors"
    return Fact(sentence, (sort, _difference(a, b)))


def _difference(a: int, b: int) -> str:
    if 2 * min(a, b) == max(a, b):
        return "twice"
    return "by a few" if abs(a - b) <= max(a, b) // 10 + 1 else "by much"


def cat(match: re.Match[str]) -> Fact:
    """Read the sizes of two tensors to concatenate."""
    along, first, second = map(int, match.groups())
    far = abs(first - second)
    sentence = f"One tensor has size {first} where another has {second}, a difference of {far}."
    return Fact(sentence, ("joined" if along else "stacked", _difference(first, second)))


def stack(match: re.Match[str]) -> Fact:
    """Read the shapes of two samples in a batch."""
    one, at, other, then = (numbers(match[1]), match[2], numbers(match[3]), match[4])
    sentence = f"Entry {at} has shape {shown(one)}, entry {then} has {shown(other)}."
    if len(one) != len(other):
        return Fact(f"{sentence} They differ in the number of dimensions.", ("other dimensions",))
    places = [
        index for index, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1]
    ]
    image = len(one) == 3  # noqa: PLR2004  (channels, height, width)
    batch = places == [0] and len(one) > 1 and not image
    tag = (
        "batches differ"
        if batch
        else "channels differ"
        if image and 0 in places
        else "sides differ"
    )
    where = f"dimension{'s' * (len(places) > 1)} {' and '.join(map(str, places))}"
    return Fact(f"{sentence} They differ in {where}.", (tag,))


def view(match: re.Match[str]) -> Fact:
    """Read the sizes of a view and of its tensor."""
    asked, values = numbers(match[1]), int(match[2])
    known = math.prod(number for number in asked if number >= 0)
    if -1 in asked:
        return Fact(f"{values} values cannot be split into rows of {known}.", ("other features",))
    sentence = f"The view asks for {known} values; there are {values}."
    rest = math.prod(asked[1:])
    rows = values // rest if rest and values % rest == 0 else 0
    each = values // asked[0] if asked and asked[0] and values % asked[0] == 0 else 0
    if rows:
        sentence += f" They fill {rows} rows of {rest}, not {asked[0]}."
    if each:
        sentence += f" {asked[0]} rows would have {each} values each."
    other_batch = rows and not (each and rows > asked[0])
    tag = "other batch" if other_batch else "other features" if each else "other view"
    return Fact(sentence, (tag,))


def norm(match: re.Match[str]) -> Fact:
    """Read the channels of a normalization layer."""
    arriving, made = int(match[1]), int(match[2])
    return Fact(f"The normalization layer has {made} channels; its input has {arriving}.")


def dimensions(match: re.Match[str]) -> Fact:
    """Read the shape of a layer's input."""
    shape = numbers(match[1])
    sentence = f"The input has {len(shape)} dimensions: {shown(shape)}."
    if len(shape) == 5:  # noqa: PLR2004  (a batch of volumes, or of batches)
        colours = shape[2] in {1, 3} and shape[1] not in {1, 3}
        sort = "a one" if 1 in shape[:2] else "colors third" if colours else "a volume"
        return Fact(sentence, (sort,))
    return Fact(sentence)


def single(match: re.Match[str]) -> Fact:
    """Read the shape of an input with one value per channel."""
    shape = numbers(match[1])
    return Fact(f"The input is {shown(shape)}: a single value per channel, which has no variance.")


def pooled(match: re.Match[str]) -> Fact | None:
    """Read the size of a feature map before and after pooling."""
    before, after = (" x ".join(map(str, numbers(size)[1:])) for size in match.groups())
    return Fact(f"A feature map of {before} would become {after}.") if before and after else None


def kernel(match: re.Match[str]) -> Fact:
    """Read the sizes of a kernel and of its input."""
    padded, kernel = match[1].strip(), match[2].strip()
    return Fact(
        f"A kernel of {kernel} does not fit into a feature map of {padded} (including padding)."
    )
