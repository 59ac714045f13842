"""Which layers contain the mistake, by the text of their classes and constructors.

The layer that raises shows the symptom. A layer whose `forward` returns None, and one that is
constructed with the wrong size, is the cause.
"""

from __future__ import annotations

import ast
import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

NET = "Net"
CONTAINERS = {"Sequential", "ModuleList"}  # their arguments are layers named by position


@functools.cache  # every hand-out asks again
def guilty_layers(source: str, cause: frozenset[int]) -> frozenset[str]:
    """Return the paths, as in `named_modules()`, of the layers that the `cause` lines describe.

    A line describes a layer if it constructs the layer or is in its class. It also does so if it
    uses the layer without calling a function of torch, such as `x = self.conv` and `self.conv(x),`.
    """
    classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    guilty = {name for name, node in classes.items() if _lines(node) & cause}
    net = classes.get(NET)
    if net is None:
        return frozenset()
    used = _used(net, cause)
    return frozenset(
        path
        for path, node in _layers(net, classes)
        if path in used or _class_of(node) in guilty or _lines(node) & cause
    )


def _used(net: ast.ClassDef, cause: AbstractSet[int]) -> set[str]:
    """Return the attributes of `self` to which the `cause` lines of `forward` apply no function."""
    names = set()
    for node in ast.walk(net):
        if isinstance(node, ast.Assign) and _lines(node) <= cause:
            inner = node.value
            inner = inner.elts[0] if isinstance(inner, ast.Tuple) else inner
            text = ast.unparse(inner)
            if text.startswith("self."):
                names.add(text.removeprefix("self.").partition("(")[0].partition(".")[0])
    return names


def _layers(
    owner: ast.ClassDef, classes: dict[str, ast.ClassDef], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, ast.Call]]:
    """Yield each layer that a class constructs in an assignment to `self`, and its own layers."""
    for node in ast.walk(owner):
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
            continue
        target = node.targets[0]
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
            yield from _layer(f"{prefix}{target.attr}", node.value, classes, depth)


def _layer(
    path: str, call: ast.Call, classes: dict[str, ast.ClassDef], depth: int
) -> Iterator[tuple[str, ast.Call]]:
    yield path, call
    name = _class_of(call)
    if name in CONTAINERS:
        first = call.args[0] if call.args else None
        parts = first.elts if isinstance(first, ast.List) else call.args
        for number, part in enumerate(parts):
            if isinstance(part, ast.Call):
                yield from _layer(f"{path}.{number}", part, classes, depth)
    elif name in classes and depth < len(classes):  # a class that contains itself has no end
        yield from _layers(classes[name], classes, f"{path}.", depth + 1)


def _class_of(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _lines(node: ast.stmt | ast.expr) -> set[int]:
    return set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
