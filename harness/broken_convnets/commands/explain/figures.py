"""Read the figures of one family of messages: a match in, a sentence and tags out.

Only what is sure is stated as a fact; what is likely is worded so. Tags name relations of the
figures that tell mistakes apart.
"""

from __future__ import annotations

import math
import re

from msgspec import Struct

COLOURS = {1, 3, 4}  # channels of grey pictures, colour ones, and those with transparency
WHITE = 255  # of a picture with a byte per pixel


class Fact(Struct, frozen=True):
    """Read what one figure of a message says. `tags` name relations that tell mistakes apart."""

    sentence: str
    tags: tuple[str, ...] = ()


def numbers(text: str) -> list[int]:
    """Return the whole numbers in a text, each of twelve digits at most."""
    return [int(number) for number in re.findall(r"-?\d{1,12}", text)]


def shown(shape: list[int]) -> str:
    """Return a shape as torch writes it."""
    return f"[{', '.join(map(str, shape))}]"


def linear(match: re.Match[str]) -> Fact:
    """Read a Linear's input and weight."""
    rows, arriving, expected, _ = map(int, match.groups())
    sentence = f"Linear expects {expected} features; what arrives has {arriving}, in {rows} rows."
    if 1 < arriving * expected < rows and rows % (arriving * expected) == 0:
        more = (
            f" {rows} is a multiple of {expected} x {arriving}: possibly these are maps of "
            f"{expected} channels that nothing pooled or flattened."
        )
        return Fact(sentence + more, ("no pooling",))
    each = arriving // expected if expected > 0 and arriving % expected == 0 else 0
    if each > 1 and math.isqrt(each) ** 2 == each:
        side = math.isqrt(each)
        more = (
            f" {arriving} = {expected} x {side} x {side}: possibly {expected} channels arrive with "
            f"{side} x {side} pixels each, and the layer expects one pixel."
        )
        return Fact(sentence + more, ("pixels per channel",))
    parts = expected // arriving if 0 < arriving < expected else 0
    if parts == 0 or expected % arriving or rows % parts:
        return Fact(sentence, ("other features",))
    more, tag = _parts(rows, arriving, parts)
    return Fact(sentence + more, (tag,))


def _parts(rows: int, arriving: int, parts: int) -> tuple[str, str]:
    """Return what is likely where each sample arrives as `parts` rows, or seems to, and a tag."""
    expected = parts * arriving
    product = f"{expected} = {parts} x {arriving}, and {parts} divides {rows}"
    if rows % arriving == 0:
        more = f" {product}: possibly the flatten is missing, with a batch of {rows // parts}."
        return more, "no flatten"
    if rows == parts:
        more = f" {expected} = {rows} x {arriving}: possibly this is one image without its batch."
        return more, "one image"
    if math.isqrt(parts) ** 2 == parts:
        side = math.isqrt(parts)
        more = (
            f" {expected} = {parts} x {arriving}: possibly the images have sides {side} times "
            "shorter than the layer was made for."
        )
        return more, "other features"
    more = f" {product}: possibly {parts} parts of one sample came as rows of their own."
    return more, "parts as rows"


def conv(match: re.Match[str]) -> Fact:
    """Read a convolution's channels."""
    parts, shape, expected, got = (
        int(match[1] or 1),
        numbers(match[2]),
        int(match[3]),
        int(match[4]),
    )
    sentence = f"The layer takes {expected} channels; what arrives, {shown(shape)}, has {got}."
    if parts > 1:
        return Fact(f"{sentence} It cuts them into {parts} groups.", ("groups",))
    square = shape[1:2] == shape[2:3] or expected in COLOURS
    if got != expected and shape[-1:] == [expected] and square:
        more = f" {expected} stands last in it: possibly the channels are in the last dimension."
        return Fact(sentence + more, ("channels last",))
    if got == 1 and shape[:1] == [expected]:
        return Fact(
            f"{sentence} {expected} stands first: possibly batch and channels changed "
            "places, or the images are grey.",
            ("grey",),
        )
    sort = "grey" if got == 1 else "alpha" if (got, expected) == (4, 3) else None
    words = {
        "grey": " One channel is what a grey image has.",
        "alpha": " Four channels are what a picture with transparency has.",
    }
    return Fact(sentence + words.get(sort or "", ""), (sort or "other channels",))


def elementwise(match: re.Match[str]) -> Fact:
    """Read two operands of an operator."""
    a, b, dimension = map(int, match.groups())
    what = {0: "the batch, usually", 1: "the channels, in a batch of images"}
    where = what.get(dimension, "height or width, in a batch of images")
    sentence = f"In dimension {dimension} ({where}) one tensor has {a} entries and the other {b}."
    sort = {0: "in the batch", 1: "in the channels"}.get(dimension, "in the map")
    if dimension == 0 and {a, b} <= COLOURS:
        sort = "in the colours"
    return Fact(sentence, (sort, _difference(a, b)))


def _difference(a: int, b: int) -> str:
    if 2 * min(a, b) == max(a, b):
        return "twice"
    return "by a few" if abs(a - b) <= max(a, b) // 10 + 1 else "by much"


def cat(match: re.Match[str]) -> Fact:
    """Read two tensors to be joined."""
    along, first, second = map(int, match.groups())
    far = abs(first - second)
    sentence = f"One tensor has {first} entries where another has {second}: {far} apart."
    return Fact(sentence, ("joined" if along else "stacked", _difference(first, second)))


def stack(match: re.Match[str]) -> Fact:
    """Read two samples of a batch."""
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
    where = " and ".join(str(index + 1) for index in places)
    return Fact(f"{sentence} They differ in number {where}.", (tag,))


def parameter(match: re.Match[str]) -> Fact:
    """Read a parameter in a file and in a network."""
    name, saved, here = match[1], numbers(match[2]), numbers(match[3])
    return Fact(f"{name} has shape {shown(saved)} in the file and {shown(here)} in the network.")


def keys(match: re.Match[str]) -> Fact | None:
    """Read the names in a state and in a network."""
    missing, unexpected = (re.findall(r'"([^"]{1,200})"', part)[:1_000] for part in match.groups())
    if not missing or not unexpected:
        return None
    for prefix in ("module.", "_orig_mod.", "model."):
        if all(name.startswith(prefix) for name in unexpected):
            return Fact(
                f"Every unexpected name begins with `{prefix}`, and so do none or not all "
                "of the missing ones.",
                ("prefix",),
            )
    return Fact(
        f"{len(missing)} names are missing, {len(unexpected)} are unexpected.", ("other names",)
    )


def batches(match: re.Match[str]) -> Fact:
    """Read outputs and labels."""
    outputs, labels = int(match[1]), int(match[2])
    sentence = f"The network gives {outputs} rows, and there are {labels} labels."
    if labels and outputs > labels and outputs % labels == 0:
        each = outputs // labels
        more = f" {outputs} = {labels} x {each}: possibly each image was cut into {each} rows."
        return Fact(sentence + more, ("rows too many",))
    if outputs and labels > outputs and labels % outputs == 0:
        each = labels // outputs
        more = f" {labels} = {outputs} x {each}: possibly the labels were one-hot, and flattened."
        return Fact(sentence + more, ("labels too many",))
    return Fact(sentence, ("other batches",))


def target(match: re.Match[str]) -> Fact:
    """Read a label."""
    label = int(match[1])
    if label < 0:
        return Fact(f"There is a label {label}, and labels count from 0.", ("negative",))
    sentence = (
        f"There is a label {label}, and labels count from 0: "
        f"the network has {label} outputs or fewer."
    )
    return Fact(sentence, ("white" if label == WHITE else "a class",))


def view(match: re.Match[str]) -> Fact:
    """Read a view and what it should hold."""
    asked, values = numbers(match[1]), int(match[2])
    known = math.prod(number for number in asked if number >= 0)
    if -1 in asked:
        return Fact(f"{values} values cannot be cut into rows of {known}.", ("open view",))
    sentence = f"The view asks for {known} values; there are {values}."
    rest = math.prod(asked[1:])
    if rest and values % rest == 0:
        more = f" They would fill {values // rest} rows of {rest}, not {asked[0]}."
        return Fact(sentence + more, ("other batch",))
    return Fact(sentence, ("other view",))


def norm(match: re.Match[str]) -> Fact:
    """Read a norm's channels."""
    arriving, made = int(match[1]), int(match[2])
    return Fact(f"The norm was made for {made} channels; what arrives has {arriving}.")


def dimensions(match: re.Match[str]) -> Fact:
    """Read a layer's input."""
    shape = numbers(match[1])
    sentence = f"What arrives has {len(shape)} dimensions: {shown(shape)}."
    if len(shape) == 5:  # noqa: PLR2004  (a batch of volumes, or of batches)
        colours = shape[2] in {1, 3} and shape[1] not in {1, 3}
        sort = "a one" if 1 in shape[:2] else "colours third" if colours else "a volume"
        return Fact(sentence, (sort,))
    return Fact(sentence)


def targets(match: re.Match[str]) -> Fact:
    """Read the shapes of targets and outputs."""
    labels, outputs = numbers(match[1]), numbers(match[2])
    sentence = f"The network gives {shown(outputs)}, the targets are {shown(labels)}."
    if math.prod(labels) == math.prod(outputs):
        return Fact(f"{sentence} Both hold {math.prod(labels)} numbers.", ("same count",))
    return Fact(sentence, ("other count",))


def single(match: re.Match[str]) -> Fact:
    """Read an input of one value per channel."""
    shape = numbers(match[1])
    return Fact(f"The norm gets {shown(shape)}: a single number per channel to take the mean of.")


def pooled(match: re.Match[str]) -> Fact | None:
    """Read a map before and after pooling."""
    before, after = (" x ".join(map(str, numbers(size)[1:])) for size in match.groups())
    return Fact(f"A map of {before} would become one of {after}.") if before and after else None


def kernel(match: re.Match[str]) -> Fact:
    """Read a window and its map."""
    padded, kernel = match[1].strip(), match[2].strip()
    return Fact(f"A window of {kernel} does not fit into a map of {padded}, padding included.")
