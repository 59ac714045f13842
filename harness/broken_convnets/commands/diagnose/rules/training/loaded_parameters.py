"""Where parameters from a file or of a copy are assigned to what an optimizer reads."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.sites import assignments
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.commands.diagnose.source import Source

COPIES = frozenset({"load", "loads", "deepcopy"})  # return new tensors


def loaded_parameters(site: Site) -> ast.stmt | None:
    """Return what assigns loaded or copied parameters to an attribute that an optimizer reads.

    None if several statements do, or none.
    """
    given = argument(site.call, "params", 0)
    nodes = list(ast.walk(given)) if given else []
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    found = [
        statement
        for statement in site.source.statements
        if isinstance(statement, ast.Assign)
        and len(statement.targets) == 1
        and isinstance(statement.targets[0], ast.Attribute)
        and statement.targets[0].attr in names
        and _is_loaded(site.source, statement.value)
    ]
    return found[0] if len(found) == 1 else None


def _is_loaded(source: Source, node: ast.expr) -> bool:
    """Return whether an expression is what a file holds, a copy, or a part of one of them."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    if isinstance(node, ast.Name):
        values = [one.value for one in assignments(source, node.id, _scope(source, node))]
        return len(values) == 1 and isinstance(values[0], ast.Call) and _is_copy(values[0])
    return isinstance(node, ast.Call) and _is_copy(node)


def _is_copy(call: ast.Call) -> bool:
    return called_name(call) in COPIES


def _scope(source: Source, node: ast.AST) -> ast.AST:
    return source.function_of(node) or source.tree
