"""In-place operations in the user's source, and the same operations out of place."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.source import Source

    Change = tuple[ast.expr | ast.stmt, str]

OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}


def out_of_place(source: Source, statement: ast.stmt) -> list[Change]:
    """Return the changes that compute a new value instead: `x -= y` becomes `x = x - y`."""
    if isinstance(statement, ast.AugAssign):
        sign = OPERATORS.get(type(statement.op))
        if sign is None or not isinstance(statement.target, ast.Name):
            return []
        name, value = statement.target.id, source.text_of(statement.value)
        if not isinstance(statement.value, ast.Constant | ast.Name | ast.Attribute | ast.Subscript):
            value = f"({value})"
        return [(statement, f"{name} = {name} {sign} {value}")]
    return _methods(source, statement)


def _methods(source: Source, statement: ast.stmt) -> list[Change]:
    """Return the change of the methods of one statement that end with an underscore."""
    value = getattr(statement, "value", None)
    calls = [n for n in ast.walk(statement) if isinstance(n, ast.Call) and _is_in_place(n)]
    if not calls or not isinstance(statement, ast.Assign | ast.Expr | ast.Return):
        return []
    text = source.text_of(statement)
    for call in calls:
        function = call.func
        assert isinstance(function, ast.Attribute)  # noqa: S101  (for the type checker)
        text = text.replace(f".{function.attr}(", f".{function.attr[:-1]}(")
    if isinstance(statement, ast.Expr) and value in calls:
        owner = _owner(value)
        return [(statement, f"{owner} = {text}")] if owner else []
    return [(statement, text)]


def _is_in_place(call: ast.Call) -> bool:
    function = call.func
    named = isinstance(function, ast.Attribute) and function.attr.endswith("_")
    return named and not function.attr.endswith("__")  # type: ignore[attr-defined]  # an attribute


def _owner(call: ast.Call) -> str:
    """Return the name at the begin of a chain of calls: `x` for `x.sub_(1).div_(2)`."""
    node: ast.expr = call
    while isinstance(node, ast.Call | ast.Attribute):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
