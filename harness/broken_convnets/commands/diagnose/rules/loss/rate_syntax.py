"""What a statement of a metric assigns, what it calls, and whether it predicts."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.rules.loss.known_pairs import CHOICES, MODULES
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator


def may_predict(node: ast.expr) -> bool:
    """Return whether an expression decides on what a function or network of the program returns."""
    decides = any(
        isinstance(one, ast.Compare) or called_name_of(one) in CHOICES for one in ast.walk(node)
    )
    own = sum(isinstance(one, ast.Call) and _is_own(one) for one in ast.walk(node))
    return own > 1 or (decides and own > 0)


def _is_own(call: ast.Call) -> bool:
    """Return whether a call is none of a module, of a tensor or of a built-in function."""
    if isinstance(call.func, ast.Name):
        return call.func.id not in dir(builtins)
    function = call.func
    root = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
    return root not in MODULES and not hasattr(torch.Tensor, called_name(call))


def called_name_of(node: ast.AST) -> str:
    """Return the last name of what is called; empty for anything but a call."""
    return called_name(node) if isinstance(node, ast.Call) else ""


def assigned(statement: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield what a statement assigns, and what to; of `+=` what it adds."""
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
        yield statement.target, statement.value
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        yield statement.target, statement.value
    if not isinstance(statement, ast.Assign):
        return
    for target in statement.targets:
        value = statement.value
        both = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
        if both and len(target.elts) == len(value.elts):  # type: ignore[attr-defined]  # tuples
            yield from zip(target.elts, value.elts, strict=True)  # type: ignore[attr-defined]  # as above
        else:
            yield target, value
