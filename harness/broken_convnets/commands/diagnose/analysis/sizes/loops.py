"""Which item of a list a name stands for, in a loop or a comprehension over pairs of widths."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.source import Source


def looped_item(source: Source, name: ast.Name, turn: int) -> tuple[ast.expr, int] | None:
    """Return the list of which a loop's name is an item, and the item's index in turn `turn`.

    Reads `for w in widths`, `zip(widths, widths[1:])`, `zip(widths[:-1], widths[1:])`,
    `pairwise(widths)` and `enumerate(...)` of these. None for any other loop.
    """
    for target, iterated in _loops(source, name):
        found = _item(target, iterated, name.id)
        if found is not None:
            listed, first = found
            return listed, first + turn
    return None


def _loops(source: Source, node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    for ancestor in source.ancestors(node):
        if isinstance(ancestor, ast.For):
            yield ancestor.target, ancestor.iter
        elif isinstance(ancestor, ast.ListComp | ast.GeneratorExp):
            yield from ((one.target, one.iter) for one in ancestor.generators)


def _item(target: ast.expr, iterated: ast.expr, name: str) -> tuple[ast.expr, int] | None:
    """Return the list behind `iterated` whose items are `name`, and the index of its first."""
    if not isinstance(target, ast.Tuple) or not isinstance(iterated, ast.Call):
        return _sliced(iterated) if isinstance(target, ast.Name) and target.id == name else None
    called = ast.unparse(iterated.func).rpartition(".")[2]
    if called == "enumerate" and iterated.args and target.elts[1:]:
        return _item(target.elts[1], iterated.args[0], name)
    names = [one.id if isinstance(one, ast.Name) else "" for one in target.elts]
    if name not in names:
        return None
    place = names.index(name)
    if called == "pairwise" and iterated.args:
        return iterated.args[0], place
    zipped = called == "zip" and place < len(iterated.args)
    return _sliced(iterated.args[place]) if zipped else None


def _sliced(node: ast.expr) -> tuple[ast.expr, int] | None:
    """Return the list of `widths`, `widths[:-1]` or `widths[1:]`, and where it starts."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        start = node.slice.lower
        first = 0 if start is None else start.value if isinstance(start, ast.Constant) else None
        whole = node.slice.step is None and isinstance(first, int) and first >= 0
        return (node.value, first) if whole and isinstance(first, int) else None
    return (node, 0) if isinstance(node, ast.Name | ast.Attribute | ast.List | ast.Tuple) else None
