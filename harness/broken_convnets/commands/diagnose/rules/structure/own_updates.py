"""Whether a program updates parameters itself, without an optimizer."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.source import Source

WRITES = frozenset({"sub_", "add_", "copy_", "addcmul_", "lerp_"})


def computes_with_gradients(source: Source) -> bool:
    """Return whether a statement computes with `.grad`, or calls autograd.grad()."""
    return any(
        _is_update(source, node)
        if isinstance(node, ast.Attribute)
        else isinstance(node, ast.Call) and source.text_of(node.func).endswith("autograd.grad")
        for node in source.expressions
    )


def _is_update(source: Source, node: ast.Attribute) -> bool:
    """Return whether an attribute is `.grad`, and part of what is added or subtracted."""
    if node.attr != "grad" or not isinstance(node.ctx, ast.Load):
        return False
    statement = source.statement_of(node)
    if isinstance(statement, ast.AugAssign):
        return True
    if isinstance(statement, ast.Assign):
        return any(isinstance(one, ast.BinOp) for one in ast.walk(statement.value))
    outer = [one for one in source.ancestors(node) if isinstance(one, ast.Call)]
    return any(called_name(one) in WRITES for one in outer)
