"""Other numbers of channels, classes, pixels and images, the same in every side.

What a number means is read from where it stands: the channels of a layer, the side of an image,
the classes of a head. The numbers that make a layer what it is (kernel, stride, padding,
dimensions) and the channels of pictures stay.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from . import meaning
from .draft import Draft, dotted

if TYPE_CHECKING:
    from random import Random

FACTORS = tuple(Fraction(*pair) for pair in ((3, 2), (2, 1), (5, 4), (1, 2), (3, 4), (7, 4)))
FLATTENS = re.compile(r"[fF]latten|view\(|reshape\(")
POOLS = re.compile(r"[aA]daptive|mean\(|amax\(")  # whatever the side
USUAL_BATCH = 4  # another one means something
IMAGE = 4  # batch, channels, height, width
NUMBER_WORDS = re.compile(
    r"\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|hundred|thousand)\b"
)


@dataclass
class Sizes:
    """What each size becomes; a size that is not there stays."""

    channels: dict[int, int] = field(default_factory=dict)
    classes: dict[int, int] = field(default_factory=dict)
    pixels: dict[int, int] = field(default_factory=dict)  # of an image's side
    maps: dict[int, int] = field(default_factory=dict)  # of the side of what is flattened
    batch: dict[int, int] = field(default_factory=dict)


def channels(draft: Draft, rng: Random) -> bool:
    """Scale the channels between the layers."""
    old = meaning.channels(draft)
    others = set(meaning.integers(draft)) - old
    fitting = [f for f in FACTORS if all(_scales(f * size, others) for size in old)]
    if not old or not fitting:
        return False
    factor = rng.choice(fitting)
    return _apply(draft, Sizes(channels={size: int(factor * size) for size in old}))


def _scales(size: Fraction, others: set[int]) -> bool:
    """Return whether a size is a number, and none that means something else already."""
    return size.denominator == 1 and size >= meaning.LEAST and int(size) not in others


def classes(draft: Draft, rng: Random) -> bool:
    """Take another number of classes; the last layer's outputs and the labels follow."""
    old = meaning.classes(draft)
    if len(old) != 1 or NUMBER_WORDS.search(_intent(draft)):
        return False
    (size,) = old
    most = size if any(default >= size for default in meaning.batches(draft)) else size + 9
    taken = set(meaning.integers(draft))
    free = [new for new in range(max(meaning.LEAST + 1, size - 5), most) if new not in taken]
    return bool(free) and _apply(draft, Sizes(classes={size: rng.choice(free)}))


def pixels(draft: Draft, rng: Random) -> bool:
    """Take larger images; what a layer is told about the flattened map follows."""
    old = {side for tree in draft.sides for side in meaning.sides(tree)}
    if len(old) != 1:
        return False
    (size,) = old
    more = rng.choice((4, 8))
    text = draft.texts()[-1]
    halvings = sum(map(meaning.halves, ast.walk(draft.sides[-1])))
    if more % (1 << halvings):
        return False
    known = meaning.flattened(draft.sides[-1], meaning.channels(draft))
    if not known and FLATTENS.search(text) and not POOLS.search(text):
        return False  # then the last layer knows the side, but does not say so
    maps = {side: side + (more >> halvings) for side in known if side <= size}
    for tree in draft.sides:
        _replace_in_intent(tree, size, size + more)
    return _apply(draft, Sizes(pixels={size: size + more}, maps=maps))


def batch(draft: Draft, rng: Random) -> bool:
    """Take another number of images for the example."""
    old = set(meaning.batches(draft))
    text = "\n".join(draft.texts())
    if old != {USUAL_BATCH} or re.search(r"DataLoader|\.split\(|\bview\(\d", text):
        return False
    return _apply(draft, Sizes(batch={USUAL_BATCH: rng.choice((3, 5, 6, 8))}))


def _apply(draft: Draft, sizes: Sizes) -> bool:
    before = draft.texts()
    premultiplied = _premultiplied(draft, sizes)
    for side in draft.sides:
        _Resize(sizes, premultiplied, meaning.own_classes(side)).visit(side)
    draft.resized = True
    return all(new != old for new, old in zip(draft.texts(), before, strict=True))


def _intent(draft: Draft) -> str:
    return ast.get_docstring(draft.sides[0]) or ""


def _replace_in_intent(tree: ast.Module, old: int, new: int) -> None:
    first = tree.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        first.value.value = re.sub(rf"\b{old}\b", str(new), str(first.value.value))


def _premultiplied(draft: Draft, sizes: Sizes) -> dict[int, int]:
    """Return what becomes of `Linear(288, ...)`, where 288 is 8 * 6 * 6."""
    known = meaning.channels(draft)
    return {
        size: sizes.channels.get(count, count) * sizes.maps.get(side, side) ** 2
        for tree in draft.sides
        for size, count, side in meaning.written_out(tree, known)
    }


class _Resize(ast.NodeVisitor):
    """Changes the numbers of one side, each by what it means where it stands."""

    def __init__(self, sizes: Sizes, premultiplied: dict[int, int], own: set[str]) -> None:
        self._sizes = sizes
        self._premultiplied = premultiplied
        self._own = own
        self._inside = False  # of a network's class
        self._done: set[int] = set()  # nodes, by identity: none is changed twice

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        former, self._inside = self._inside, meaning.is_network(node)
        self.generic_visit(node)
        self._inside = former

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name.startswith("example_"):
            for default in node.args.defaults:
                self._set(default, self._sizes.batch)
        for argument, default in zip(
            reversed(node.args.args), reversed(node.args.defaults), strict=False
        ):
            if argument.arg in {"classes", "num_classes"}:
                self._set(default, self._sizes.classes)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        layer = meaning.layer_class(node)
        name = dotted(node.func)
        if layer:
            self._resize_layer(node, layer)
        elif name in self._own:
            for value in node.args:
                self._resize_product(value)
                self._set(value, self._sizes.channels | self._sizes.classes)
        elif name in {"range", "slice"}:
            return
        elif name.rpartition(".")[2] in meaning.LABELS:
            for value in node.args:
                self._set(value, self._sizes.classes)
        for word in node.keywords:
            if word.arg in {"classes", "num_classes"}:
                self._set(word.value, self._sizes.classes)
        self._resize_sequence(node)
        self.generic_visit(node)

    def visit_Tuple(self, node: ast.Tuple) -> None:
        self._resize_sequence(node)
        self.generic_visit(node)

    def visit_List(self, node: ast.List) -> None:
        self._resize_sequence(node)
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)  # an index is no size

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Mod):
            self._set(node.right, self._sizes.classes)
        self._resize_product(node)
        self.generic_visit(node)

    def _resize_layer(self, node: ast.Call, layer: str) -> None:
        words = {word.arg: word.value for word in node.keywords}
        if layer == "Linear":
            first = [*node.args[:1], *filter(None, [words.get("in_features")])]
            for value in first:
                self._set(value, self._premultiplied | self._sizes.channels)
            last = [*node.args[1:2], *filter(None, [words.get("out_features")])]
            for value in last:
                self._set(value, self._sizes.channels | self._sizes.classes)
            return
        count = 1 if "Norm" in layer else 2
        named = [
            words.get(key) for key in ("in_channels", "out_channels", "num_features", "groups")
        ]
        # Further on stand kernel, stride and padding; only a large number is channels again.
        late = [
            value
            for value in node.args[count:]
            if (meaning.number(value) or 0) >= meaning.LEAST_SIDE
        ]
        for value in [*node.args[:count], *filter(None, named), *late]:
            self._set(value, self._sizes.channels | self._sizes.classes)
            if isinstance(value, ast.BinOp):
                for part in (value.left, value.right):
                    self._set(part, self._sizes.channels)

    def _resize_product(self, node: ast.expr) -> None:
        """Change `8 * 6 * 6`, channels first, and `5 * 10` or `3 * 8`."""
        factors = meaning.factors_of(node)
        if len(factors) > 2:  # noqa: PLR2004  (channels, height, width)
            self._set(factors[0], self._sizes.channels)
            for factor in factors[1:]:
                self._set(factor, self._sizes.maps)
        elif len(factors) == 2 and self._inside:  # noqa: PLR2004
            for factor in factors:
                self._set(factor, self._sizes.channels | self._sizes.classes)
        if len(factors) > 1:
            self._done |= set(map(id, factors))  # a part of a product is no product of its own

    def _resize_sequence(self, node: ast.Call | ast.Tuple | ast.List) -> None:
        values = meaning.sequence(node)
        if self._inside:
            for value in values:
                self._set(value, self._sizes.channels | self._sizes.classes)
            return
        if len(values) == IMAGE and meaning.number(values[2]) == meaning.number(
            values[3]
        ) != meaning.number(values[1]):
            self._set(values[1], self._sizes.channels)
        for value in values:
            self._set(value, self._sizes.pixels)

    def _set(self, node: ast.expr, new: dict[int, int]) -> None:
        """Change a number, unless it has been seen to be something else."""
        value = meaning.number(node)
        if (
            value is not None
            and isinstance(node, ast.Constant)
            and id(node) not in self._done
            and value in new
        ):
            self._done.add(id(node))
            node.value = new[value]
