"""Replace nodes of a program, wherever they are, and leave the program itself as it is."""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Edit:
    """A node of a program, and what replaces it: nothing, a node, or several statements."""

    node: ast.AST
    new: tuple[ast.AST, ...]


Site = tuple[Edit, ...]  # the edits that make one mistake; the first is where it is


def replace(node: ast.AST, *new: ast.AST) -> Site:
    """Return a site with one edit."""
    return (Edit(node, new),)


def applied(tree: ast.Module, site: Site) -> ast.Module:
    """Return a copy of `tree` with the edits of a site."""
    copies: dict[int, Any] = {}
    module = copy.deepcopy(tree, copies)
    changed = {id(copies[id(edit.node)]): edit.new for edit in site}
    edited = _Editor(changed).visit(module)
    assert isinstance(edited, ast.Module)  # noqa: S101  (a transformer keeps the root)
    return ast.fix_missing_locations(edited)


class _Editor(ast.NodeTransformer):
    def __init__(self, changed: dict[int, tuple[ast.AST, ...]]) -> None:
        self._changed = changed

    def visit(self, node: ast.AST) -> ast.AST | list[ast.AST] | None:
        if id(node) in self._changed:
            new = copy.deepcopy(self._changed[id(node)])
            if isinstance(node, ast.expr):
                return new[0]
            return list(new)
        visited: Any = super().visit(node)
        if getattr(visited, "body", None) == []:
            visited.body = [ast.Pass()]
        found: ast.AST = visited
        return found
