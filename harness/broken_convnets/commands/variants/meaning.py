"""Infer the meaning of a number in a program from its place: channels, classes, pixels."""

from __future__ import annotations

import ast
import itertools
import math
import re
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.syntax import dotted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broken_convnets.commands.variants.program_pair import ProgramPair

LEAST = 4  # smaller numbers are image channels, dimensions and kernel sizes
LEAST_SIDE = 8
CHANNELS = re.compile(r"(Conv|ConvTranspose|BatchNorm)\dd$|Linear$")
HALVING = re.compile(r"(?<!daptive_avg_)(?<!daptive_max_)pool2d$|^(Max|Avg)Pool2d$")
LABELS = frozenset({"randint", "arange", "one_hot"})
JOINS = frozenset({"cat", "concat", "concatenate"})
INPUTS = frozenset({"in_features", "in_channels"})
OUTPUTS = frozenset({"out_features", "out_channels"})
HALF = 2


def own_classes(side: ast.Module) -> set[str]:
    """Return the names of the classes that a program defines."""
    return {node.name for node in side.body if isinstance(node, ast.ClassDef)}


def number(node: ast.AST) -> int | None:
    """Return the value of an integer literal; None for any other node."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    return None


def layer_class(node: ast.Call) -> str:
    """Return the class of the layer that a call creates: `Conv2d`; empty for any other call."""
    base, _, name = dotted(node.func).rpartition(".")
    return name if base in {"nn", "torch.nn"} and CHANNELS.search(name) else ""


def channels(pair: ProgramPair) -> set[int]:
    """Return the output channels of layers, and input channels after a concatenation.

    Any other number of input channels comes from the images.
    """
    found: set[int] = set()
    for side in pair.sides:
        own = own_classes(side)
        for node in ast.walk(side):
            if isinstance(node, ast.Call):
                found |= set(numbers(_outputs(node, own)))
        found |= set(numbers(_listed(side)))
    found |= {size for size in _inputs_after_cat(pair) if any(size - one in found for one in found)}
    return {size for size in found if size >= LEAST} - labels(pair)


def _inputs_after_cat(pair: ProgramPair) -> set[int]:
    """Return the input channels of layers, if the program concatenates tensors."""
    calls = [node for node in pair.nodes() if isinstance(node, ast.Call)]
    if not any(dotted(node.func).rpartition(".")[2] in JOINS for node in calls):
        return set()
    layers = [node for node in calls if layer_class(node)]
    words = [word.value for node in layers for word in node.keywords if word.arg in INPUTS]
    return set(numbers([*words, *(value for node in layers for value in node.args[:1])]))


def labels(pair: ProgramPair) -> set[int]:
    """Return the numbers of classes, as far as the code that creates labels contains them."""
    found: set[int] = set()
    for node in pair.nodes():
        if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in LABELS:
            found |= set(numbers(node.args))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            found |= set(numbers([node.right]))
    return {size for size in found if size >= LEAST}


def _outputs(node: ast.Call, own: set[str]) -> list[ast.expr]:
    """Return the arguments of a call that are the output channels of the layer it creates."""
    layer = layer_class(node)
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
    """Yield output channels in lists, as in `for before, after in [(3, 8), (8, 16)]`."""
    for owner in side.body:
        for node in ast.walk(owner) if isinstance(owner, ast.ClassDef) else ():
            if isinstance(node, ast.List):
                yield from (
                    item.elts[-1] if isinstance(item, ast.Tuple) and item.elts else item
                    for item in node.elts
                )


def numbers(nodes: Iterable[ast.expr]) -> Iterator[int]:
    """Yield the values of those expressions that are integer literals."""
    for node in nodes:
        value = number(node)
        if value is not None:
            yield value


def classes(pair: ProgramPair) -> set[int]:
    """Return the numbers of classes: outputs that are not channels, or that match the labels."""
    found: set[int] = set()
    for node in pair.nodes():
        if isinstance(node, ast.Call) and layer_class(node):
            words = [word.value for word in node.keywords if word.arg in OUTPUTS]
            outputs = set(numbers([*node.args[1:2], *words]))
            found |= outputs if layer_class(node) == "Linear" else outputs & labels(pair)
    return {size for size in found if size >= LEAST} - channels(pair)


def sides(tree: ast.Module) -> Iterator[int]:
    """Yield the sides of square images in code that creates data: two equal numbers in a row."""
    for owner in tree.body:
        if isinstance(owner, ast.FunctionDef) or (
            isinstance(owner, ast.ClassDef) and not is_network(owner)
        ):
            for node in ast.walk(owner):
                values = sequence(node)
                for one, other in itertools.pairwise(values):
                    size = number(one)
                    if size is not None and size >= LEAST_SIDE and size == number(other):
                        yield size


def is_network(owner: ast.ClassDef) -> bool:
    """Return whether a class is a network or a layer, by its bases."""
    return any(dotted(base).rpartition(".")[2] in {"Module", "Sequential"} for base in owner.bases)


def sequence(node: ast.AST) -> list[ast.expr]:
    """Return the elements of a tuple or list, or the arguments of a call."""
    if isinstance(node, ast.Call) and not layer_class(node):
        return node.args
    return node.elts if isinstance(node, ast.Tuple | ast.List) else []


def factors_of(node: ast.expr) -> list[ast.expr]:
    """Return the factors of a product of literals; empty for any other expression."""
    if number(node) is not None:
        return [node]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = factors_of(node.left), factors_of(node.right)
        return [*left, *right] if left and right else []
    return []


def flattened(side: ast.Module, known: set[int]) -> set[int]:
    """Return the sides of the feature maps that the network flattens, as in `8 * 6 * 6`."""
    found: set[int] = set()
    for node in ast.walk(side):
        factors = (
            [number(factor) or 0 for factor in factors_of(node)]
            if isinstance(node, ast.BinOp)
            else []
        )
        if len(factors) > 2 and factors[1] == factors[2]:  # noqa: PLR2004  (channels, height, width)
            found.add(factors[1])
    found |= {length for _, _, length in written_out(side, known)}
    return found


def _split(size: int, known: set[int]) -> list[tuple[int, int]]:
    """Return the channels and the side of which a number is the product: 288 is 8 * 6 * 6."""
    found = []
    for count in sorted(known, reverse=True):
        side = math.isqrt(size // count)
        if side > 1 and count * side * side == size:
            found.append((count, side))
    return found[:1]


def written_out(side: ast.Module, known: set[int]) -> list[tuple[int, int, int]]:
    """Return the in_features that are a flattened feature map, with its channels and side.

    The output of another layer is not a feature map, even if it happens to be such a product.
    """
    layers = [node for node in ast.walk(side) if isinstance(node, ast.Call) and layer_class(node)]
    given = {size for node in layers for size in numbers(node.args[1:2])}
    found = []
    for node in layers:
        if layer_class(node) == "Linear":
            words = [word.value for word in node.keywords if word.arg == "in_features"]
            for size in set(numbers([*node.args[:1], *words])) - given:
                found += [(size, *parts) for parts in _split(size, known)]
    return found


def halves(node: ast.AST) -> bool:
    """Return whether a call halves the size: a pooling of 2, or a stride of 2."""
    if not isinstance(node, ast.Call):
        return False
    words = {word.arg: number(word.value) for word in node.keywords}
    pools = HALVING.search(dotted(node.func).rpartition(".")[2])
    given = [*map(number, node.args), words.get("kernel_size")]
    return words.get("stride") == HALF or (bool(pools) and HALF in given)


def batches(pair: ProgramPair) -> Iterator[int]:
    """Yield the default batch sizes of the functions that create data."""
    for node in pair.nodes():
        if isinstance(node, ast.FunctionDef) and node.name.startswith("example_"):
            for default in node.args.defaults:
                if isinstance(default, ast.Constant) and isinstance(default.value, int):
                    yield default.value


def integers(pair: ProgramPair) -> Iterator[int]:
    """Yield every integer of every side."""
    return (value for value in map(number, pair.nodes()) if value is not None)
