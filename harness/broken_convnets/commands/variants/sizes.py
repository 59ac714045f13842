"""Change the numbers of channels, classes, pixels and images, equally on every side.

The meaning of a number follows from its place: the channels of a layer, the side of an image, the
classes of a head. Kernel sizes, strides, paddings, dimensions and image channels stay.
"""

from __future__ import annotations

import ast
import re
from fractions import Fraction
from typing import TYPE_CHECKING

from broken_convnets.commands.variants import meaning
from broken_convnets.commands.variants.resize import Sizes, resize

if TYPE_CHECKING:
    from random import Random

    from broken_convnets.commands.variants.program_pair import ProgramPair

FACTORS = tuple(Fraction(*pair) for pair in ((2, 1), (4, 1), (3, 2), (1, 2)))
FLATTENS = re.compile(r"[fF]latten|view\(|reshape\(")
POOLS = re.compile(r"[aA]daptive|mean\(|amax\(")  # work for any size
USUAL_BATCH = 4  # another batch size has a meaning
NUMBER_WORDS = re.compile(
    r"\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|hundred|thousand)\b"
)


def channels(pair: ProgramPair, rng: Random) -> bool:
    """Scale the channels between the layers."""
    old = meaning.channels(pair)
    others = set(meaning.integers(pair)) - old
    fitting = [f for f in FACTORS if all(_scales(f * size, others) for size in old)]
    if not old or not fitting:
        return False
    factor = rng.choice(fitting)
    return _apply(pair, Sizes(channels={size: int(factor * size) for size in old}))


def _scales(size: Fraction, others: set[int]) -> bool:
    """Return whether a size is an integer that has no other meaning in the program."""
    return size.denominator == 1 and size >= meaning.LEAST and int(size) not in others


def classes(pair: ProgramPair, rng: Random) -> bool:
    """Change the number of classes, in the last layer and in the labels."""
    old = meaning.classes(pair)
    if len(old) != 1 or NUMBER_WORDS.search(_intent(pair)):
        return False
    (size,) = old
    most = size if any(default >= size for default in meaning.batches(pair)) else size + 9
    taken = set(meaning.integers(pair))
    free = [new for new in range(max(meaning.LEAST + 1, size - 5), most) if new not in taken]
    if not free or not _apply(pair, Sizes(classes={size: rng.choice(free)})):
        return False
    return size not in meaning.integers(pair)  # else it stays where its meaning is unknown


def pixels(pair: ProgramPair, rng: Random) -> bool:
    """Use larger images, and adapt the in_features of the layer after the flatten."""
    old = {side for tree in pair.sides for side in meaning.sides(tree)}
    if len(old) != 1:
        return False
    (size,) = old
    more = rng.choice((4, 8))
    text = pair.texts()[-1]
    halvings = sum(map(meaning.halves, ast.walk(pair.sides[-1])))
    if more % (1 << halvings):
        return False
    known = meaning.flattened(pair.sides[-1], meaning.channels(pair))
    if not known and FLATTENS.search(text) and not POOLS.search(text):
        return False  # the last layer depends on the image size in an unknown way
    maps = {side: side + (more >> halvings) for side in known if side <= size}
    for tree in pair.sides:
        _replace_in_intent(tree, size, size + more)
    return _apply(pair, Sizes(pixels={size: size + more}, maps=maps))


def batch(pair: ProgramPair, rng: Random) -> bool:
    """Change the batch size of the example."""
    old = set(meaning.batches(pair))
    text = "\n".join(pair.texts())
    if old != {USUAL_BATCH} or re.search(r"DataLoader|\.split\(|\bview\(\d", text):
        return False
    return _apply(pair, Sizes(batch={USUAL_BATCH: rng.choice((3, 5, 6, 8))}))


def _apply(pair: ProgramPair, sizes: Sizes) -> bool:
    before = pair.texts()
    premultiplied = _premultiplied(pair, sizes)
    for side in pair.sides:
        resize(side, sizes, premultiplied)
    pair.resized = True
    return all(new != old for new, old in zip(pair.texts(), before, strict=True))


def _intent(pair: ProgramPair) -> str:
    return ast.get_docstring(pair.sides[0]) or ""


def _replace_in_intent(tree: ast.Module, old: int, new: int) -> None:
    first = tree.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        first.value.value = re.sub(rf"\b{old}\b", str(new), str(first.value.value))


def _premultiplied(pair: ProgramPair, sizes: Sizes) -> dict[int, int]:
    """Return the new values of products written as one number, such as 288 for 8 * 6 * 6."""
    known = meaning.channels(pair)
    return {
        size: sizes.channels.get(count, count) * sizes.maps.get(side, side) ** 2
        for tree in pair.sides
        for size, count, side in meaning.written_out(tree, known)
    }
