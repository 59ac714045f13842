"""Replace the sizes in one side of a program, each where a number means that size."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from broken_convnets.commands.variants import meaning
from broken_convnets.commands.variants.syntax import dotted

IMAGE = 4  # batch, channels, height, width


@dataclass
class Sizes:
    """The new value of each size that changes."""

    channels: dict[int, int] = field(default_factory=dict)
    classes: dict[int, int] = field(default_factory=dict)
    pixels: dict[int, int] = field(default_factory=dict)  # the side of an image
    maps: dict[int, int] = field(default_factory=dict)  # the side of the flattened feature map
    batch: dict[int, int] = field(default_factory=dict)


def resize(side: ast.Module, sizes: Sizes, premultiplied: dict[int, int]) -> None:
    """Change the sizes of one side; `premultiplied` maps products written as one number."""
    _Resize(sizes, premultiplied, meaning.own_classes(side)).visit(side)


class _Resize(ast.NodeVisitor):
    """Changes the numbers of one side according to their meaning."""

    def __init__(self, sizes: Sizes, premultiplied: dict[int, int], own: set[str]) -> None:
        self._sizes = sizes
        self._premultiplied = premultiplied
        self._own = own
        self._inside = False  # the class of a network
        self._done: set[int] = set()  # ids of changed nodes: none is changed twice

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

    def visit_Assign(self, node: ast.Assign) -> None:
        if any(dotted(target) == "self.out_channels" for target in node.targets):
            self._set(node.value, self._sizes.channels)  # torchvision asks a backbone for it
        self.generic_visit(node)

    def visit_Tuple(self, node: ast.Tuple) -> None:
        self._resize_sequence(node)
        self.generic_visit(node)

    def visit_List(self, node: ast.List) -> None:
        self._resize_sequence(node)
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)  # an index is not a size

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
        # Kernel size, stride and padding follow; only a large number means channels again.
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
        """Change products such as `8 * 6 * 6`, with the channels first, or `3 * 8`."""
        factors = meaning.factors_of(node)
        if len(factors) > 2:  # noqa: PLR2004  (channels, height, width)
            self._set(factors[0], self._sizes.channels)
            for factor in factors[1:]:
                self._set(factor, self._sizes.maps)
        elif len(factors) == 2 and self._inside:  # noqa: PLR2004  (a plain product)
            for factor in factors:
                self._set(factor, self._sizes.channels | self._sizes.classes)
        if len(factors) > 1:
            self._done |= set(map(id, factors))  # a factor is not a product itself

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
        """Change a number, unless it was recognized as something else."""
        value = meaning.number(node)
        if (
            value is not None
            and isinstance(node, ast.Constant)
            and id(node) not in self._done
            and value in new
        ):
            self._done.add(id(node))
            node.value = new[value]
