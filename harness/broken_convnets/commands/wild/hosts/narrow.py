"""Divide the numbers of channels in a model's code, so that its programs run in milliseconds."""

from __future__ import annotations

import ast

SMALLEST = 16  # numbers from here on are channels, if they are its multiples


def narrowed(tree: ast.Module, factor: int) -> ast.Module:
    """Return the same module, changed in place: every number of channels is divided by `factor`.

    `factor` must divide SMALLEST, so that products and sums of channels still agree.
    """
    module = _Narrower(factor).visit(tree)
    assert isinstance(module, ast.Module)  # noqa: S101  (a transformer keeps the root)
    return module


class _Narrower(ast.NodeTransformer):
    def __init__(self, factor: int) -> None:
        self._factor = factor

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            return node
        if value >= SMALLEST and value % SMALLEST == 0:
            smaller = value // self._factor
            return ast.copy_location(ast.Constant(smaller), node)
        return node
