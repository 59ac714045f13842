"""Other numbers of channels, classes, pixels and images, the same in every side.

What a number means is read from where it stands: the channels of a layer, the side of an image,
the classes of a head. The numbers that make a layer what it is (kernel, stride, padding,
dimensions) and the channels of pictures stay.
"""

from __future__ import annotations

import ast
import itertools
import math
import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from .draft import Draft, dotted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

LEAST = 4  # smaller numbers are colours, dimensions and kernels
LEAST_SIDE = 8
FACTORS = tuple(Fraction(*pair) for pair in ((3, 2), (2, 1), (5, 4), (1, 2), (3, 4), (7, 4)))
CHANNELS = re.compile(r"(Conv|ConvTranspose|BatchNorm)\dd$|Linear$")
HALVING = re.compile(r"(?<!daptive_avg_)(?<!daptive_max_)pool2d$|^(Max|Avg)Pool2d$")
LABELS = frozenset({"randint", "arange", "one_hot"})
OUTPUTS = frozenset({"out_features", "out_channels"})
USUAL_BATCH = 4  # another one means something
HALF = 2
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
    old = _channels(draft)
    others = set(_integers(draft)) - old
    fitting = [f for f in FACTORS if all(_scales(f * size, others) for size in old)]
    if not old or not fitting:
        return False
    factor = rng.choice(fitting)
    return _apply(draft, Sizes(channels={size: int(factor * size) for size in old}))


def _scales(size: Fraction, others: set[int]) -> bool:
    """Return whether a size is a number, and none that means something else already."""
    return size.denominator == 1 and size >= LEAST and int(size) not in others


def classes(draft: Draft, rng: Random) -> bool:
    """Take another number of classes; the last layer's outputs and the labels follow."""
    old = _classes(draft)
    if len(old) != 1 or NUMBER_WORDS.search(_intent(draft)):
        return False
    (size,) = old
    most = size if any(default >= size for default in _batches(draft)) else size + 9
    taken = set(_integers(draft))
    free = [new for new in range(max(LEAST + 1, size - 5), most) if new not in taken]
    return bool(free) and _apply(draft, Sizes(classes={size: rng.choice(free)}))


def _integers(draft: Draft) -> Iterator[int]:
    return (value for value in map(_number, draft.nodes()) if value is not None)


def pixels(draft: Draft, rng: Random) -> bool:
    """Take larger images; what a layer is told about the flattened map follows."""
    old = {side for tree in draft.sides for side in _pairs(tree)}
    if len(old) != 1:
        return False
    (size,) = old
    more = rng.choice((4, 8))
    halvings = sum(map(_halves, ast.walk(draft.sides[-1])))
    if more % (1 << halvings):
        return False
    known = _flattened(draft.sides[-1], _channels(draft))
    maps = {side: side + (more >> halvings) for side in known if side <= size}
    for tree in draft.sides:
        _replace_in_intent(tree, size, size + more)
    return _apply(draft, Sizes(pixels={size: size + more}, maps=maps))


def _halves(node: ast.AST) -> bool:
    """Return whether a call pools by two, or has a stride of two."""
    if not isinstance(node, ast.Call):
        return False
    words = {word.arg: _number(word.value) for word in node.keywords}
    pools = HALVING.search(dotted(node.func).rpartition(".")[2])
    given = [*map(_number, node.args), words.get("kernel_size")]
    return words.get("stride") == HALF or (bool(pools) and HALF in given)


def batch(draft: Draft, rng: Random) -> bool:
    """Take another number of images for the example."""
    old = set(_batches(draft))
    text = "\n".join(draft.texts())
    if old != {USUAL_BATCH} or re.search(r"DataLoader|\.split\(|\bview\(\d", text):
        return False
    return _apply(draft, Sizes(batch={USUAL_BATCH: rng.choice((3, 5, 6, 8))}))


def _apply(draft: Draft, sizes: Sizes) -> bool:
    before = draft.texts()
    premultiplied = _premultiplied(draft, sizes)
    for side in draft.sides:
        _Resize(sizes, premultiplied, _own_classes(side)).visit(side)
    draft.resized = True
    return all(new != old for new, old in zip(draft.texts(), before, strict=True))


def _intent(draft: Draft) -> str:
    return ast.get_docstring(draft.sides[0]) or ""


def _replace_in_intent(tree: ast.Module, old: int, new: int) -> None:
    first = tree.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        first.value.value = re.sub(rf"\b{old}\b", str(new), str(first.value.value))


def _batches(draft: Draft) -> Iterator[int]:
    for node in draft.nodes():
        if isinstance(node, ast.FunctionDef) and node.name.startswith("example_"):
            for default in node.args.defaults:
                if isinstance(default, ast.Constant) and isinstance(default.value, int):
                    yield default.value


def _own_classes(side: ast.Module) -> set[str]:
    return {node.name for node in side.body if isinstance(node, ast.ClassDef)}


def _number(node: ast.AST) -> int | None:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    return None


def _layer(node: ast.Call) -> str:
    """Return the class of layer that a call makes: `Conv2d`; empty for any other call."""
    base, _, name = dotted(node.func).rpartition(".")
    return name if base in {"nn", "torch.nn"} and CHANNELS.search(name) else ""


def _channels(draft: Draft) -> set[int]:
    """Return the numbers of channels that layers give.

    A number that a layer only takes comes from the images: colours, or what is joined to them.
    """
    found: set[int] = set()
    for side in draft.sides:
        own = _own_classes(side)
        for node in ast.walk(side):
            if isinstance(node, ast.Call):
                found |= set(_numbers(_outputs(node, own)))
        found |= set(_numbers(_listed(side)))
    return {size for size in found if size >= LEAST} - _labels(draft)


def _labels(draft: Draft) -> set[int]:
    """Return the numbers of classes that labels are drawn from, as far as these say so."""
    found: set[int] = set()
    for node in draft.nodes():
        if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in LABELS:
            found |= set(_numbers(node.args))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            found |= set(_numbers([node.right]))
    return {size for size in found if size >= LEAST}


def _outputs(node: ast.Call, own: set[str]) -> list[ast.expr]:
    """Return what a call says about the channels that come out of the layer it makes."""
    layer = _layer(node)
    if layer.startswith("Conv"):
        named = [word.value for word in node.keywords if word.arg == "out_channels"]
        return [*node.args[1:2], *named]
    square = layer == "Linear" and len({ast.unparse(value) for value in node.args[:2]}) == 1
    if square or (dotted(node.func) in own and not any(map(_is_product, node.args))):
        return node.args[:2][-1:]
    return []


def _is_product(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp)


def _listed(side: ast.Module) -> Iterator[ast.expr]:
    """Yield channels in lists, as in `for before, after in [(3, 8), (8, 16)]`."""
    for owner in side.body:
        for node in ast.walk(owner) if isinstance(owner, ast.ClassDef) else ():
            if isinstance(node, ast.List):
                yield from (item.elts[-1] if isinstance(item, ast.Tuple) and item.elts else item
                            for item in node.elts)  # fmt: skip


def _numbers(nodes: Iterable[ast.expr]) -> Iterator[int]:
    for node in nodes:
        value = _number(node)
        if value is not None:
            yield value


def _classes(draft: Draft) -> set[int]:
    """Return the outputs of last layers: those that are no channels, or that labels agree with."""
    found: set[int] = set()
    for node in draft.nodes():
        if isinstance(node, ast.Call) and _layer(node):
            words = [word.value for word in node.keywords if word.arg in OUTPUTS]
            outputs = set(_numbers([*node.args[1:2], *words]))
            found |= outputs if _layer(node) == "Linear" else outputs & _labels(draft)
    return {size for size in found if size >= LEAST} - _channels(draft)


def _pairs(tree: ast.Module) -> Iterator[int]:
    """Yield the sides of square images where data is made: two equal numbers in a row."""
    for owner in tree.body:
        if isinstance(owner, ast.FunctionDef) or (
            isinstance(owner, ast.ClassDef) and not _is_network(owner)
        ):
            for node in ast.walk(owner):
                values = _sequence(node)
                for one, other in itertools.pairwise(values):
                    size = _number(one)
                    if size is not None and size >= LEAST_SIDE and size == _number(other):
                        yield size


def _is_network(owner: ast.ClassDef) -> bool:
    return any(dotted(base).rpartition(".")[2] in {"Module", "Sequential"} for base in owner.bases)


def _sequence(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Call) and not _layer(node):
        return node.args
    return node.elts if isinstance(node, ast.Tuple | ast.List) else []


def _factors(node: ast.expr) -> list[ast.expr]:
    """Return the factors of a product of plain numbers; nothing for any other expression."""
    if _number(node) is not None:
        return [node]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = _factors(node.left), _factors(node.right)
        return [*left, *right] if left and right else []
    return []


def _flattened(side: ast.Module, known: set[int]) -> set[int]:
    """Return the sides of the maps that the network flattens, as in `8 * 6 * 6`."""
    found: set[int] = set()
    for node in ast.walk(side):
        factors = [_number(factor) or 0 for factor in _factors(node)] if isinstance(
            node, ast.BinOp) else []  # fmt: skip
        if len(factors) > 2 and factors[1] == factors[2]:  # noqa: PLR2004  (channels, height, width)
            found.add(factors[1])
    found |= {length for _, _, length in _written_out(side, known)}
    return found


def _split(size: int, known: set[int]) -> list[tuple[int, int]]:
    """Return the channels and the side whose product a number is, written out: 288 is 8 * 6 * 6."""
    found = []
    for count in sorted(known, reverse=True):
        side = math.isqrt(size // count)
        if side > 1 and count * side * side == size:
            found.append((count, side))
    return found[:1]


def _premultiplied(draft: Draft, sizes: Sizes) -> dict[int, int]:
    """Return what becomes of `Linear(288, ...)`, where 288 is 8 * 6 * 6."""
    known = _channels(draft)
    return {
        size: sizes.channels.get(count, count) * sizes.maps.get(side, side) ** 2
        for tree in draft.sides
        for size, count, side in _written_out(tree, known)
    }


def _written_out(side: ast.Module, known: set[int]) -> list[tuple[int, int, int]]:
    """Return the inputs of linear layers that are a whole map: the number, channels, side.

    What another layer gives is no map, even where it happens to be such a product.
    """
    layers = [node for node in ast.walk(side) if isinstance(node, ast.Call) and _layer(node)]
    given = {size for node in layers for size in _numbers(node.args[1:2])}
    found = []
    for node in layers:
        if _layer(node) == "Linear":
            words = [word.value for word in node.keywords if word.arg == "in_features"]
            for size in set(_numbers([*node.args[:1], *words])) - given:
                found += [(size, *parts) for parts in _split(size, known)]
    return found


class _Resize(ast.NodeVisitor):
    """Changes the numbers of one side, each by what it means where it stands."""

    def __init__(self, sizes: Sizes, premultiplied: dict[int, int], own: set[str]) -> None:
        self._sizes = sizes
        self._premultiplied = premultiplied
        self._own = own
        self._inside = False  # of a network's class
        self._done: set[int] = set()  # nodes, by identity: none is changed twice

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        former, self._inside = self._inside, _is_network(node)
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
        layer = _layer(node)
        name = dotted(node.func)
        if layer:
            self._resize_layer(node, layer)
        elif name in self._own:
            for value in node.args:
                self._resize_product(value)
                self._set(value, self._sizes.channels | self._sizes.classes)
        elif name in {"range", "slice"}:
            return
        elif name.rpartition(".")[2] in LABELS:
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
        late = [value for value in node.args[count:] if (_number(value) or 0) >= LEAST_SIDE]
        for value in [*node.args[:count], *filter(None, named), *late]:
            self._set(value, self._sizes.channels | self._sizes.classes)
            if isinstance(value, ast.BinOp):
                for part in (value.left, value.right):
                    self._set(part, self._sizes.channels)

    def _resize_product(self, node: ast.expr) -> None:
        """Change `8 * 6 * 6`, channels first, and `5 * 10` or `3 * 8`."""
        factors = _factors(node)
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
        values = _sequence(node)
        if self._inside:
            for value in values:
                self._set(value, self._sizes.channels | self._sizes.classes)
            return
        if len(values) == IMAGE and _number(values[2]) == _number(values[3]) != _number(values[1]):
            self._set(values[1], self._sizes.channels)
        for value in values:
            self._set(value, self._sizes.pixels)

    def _set(self, node: ast.expr, new: dict[int, int]) -> None:
        """Change a number, unless it has been seen to be something else."""
        value = _number(node)
        if (
            value is not None
            and isinstance(node, ast.Constant)
            and id(node) not in self._done
            and value in new
        ):
            self._done.add(id(node))
            node.value = new[value]
