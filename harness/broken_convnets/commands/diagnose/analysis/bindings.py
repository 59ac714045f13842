"""The assignments of a name or an attribute, by the syntax of a function or a class."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.commands.diagnose.source import Source

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Binding:
    """An assignment to a name: the expression, and how the name is a part of it."""

    statement: ast.stmt
    value: ast.expr
    item: int | None = None
    looped: bool = False


def bindings(body: Sequence[ast.stmt], name: str) -> Iterator[Binding]:
    """Yield the assignments of a name in a function's body, in order, inner functions aside."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        yield from _bound_by(statement, name)
        for block in ("body", "orelse", "finalbody"):
            yield from bindings(getattr(statement, block, []), name)
        for handler in getattr(statement, "handlers", []):
            yield from bindings(handler.body, name)


def _bound_by(statement: ast.stmt, name: str) -> Iterator[Binding]:
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from _matched(statement, target, statement.value, name)
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        yield from _matched(statement, statement.target, statement.value, name)
    elif isinstance(statement, ast.For | ast.AsyncFor):
        for bound in _matched(statement, statement.target, statement.iter, name):
            yield Binding(statement, bound.value, bound.item, looped=True)
    elif isinstance(statement, ast.With | ast.AsyncWith):
        for item in statement.items:
            if item.optional_vars is not None:
                yield from _matched(statement, item.optional_vars, item.context_expr, name)


def _matched(
    statement: ast.stmt, target: ast.expr, value: ast.expr, name: str
) -> Iterator[Binding]:
    if isinstance(target, ast.Name) and target.id == name:
        yield Binding(statement, value)
    elif isinstance(target, ast.Tuple | ast.List):
        parts = value.elts if isinstance(value, ast.Tuple | ast.List) else None
        paired = parts is not None and len(parts) == len(target.elts)
        for position, element in enumerate(target.elts):
            if paired and parts is not None:
                yield from _matched(statement, element, parts[position], name)
            elif any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(element)):
                yield Binding(statement, value, position)


def attribute_assignments(
    source: Source, owner: object, name: str, *, items: bool = False
) -> Iterator[tuple[Function, ast.stmt, ast.expr]]:
    """Yield the assignments of `self.<name>` in the methods of an object's classes in a file.

    With `items`, yield those of `self.<name>[...]` instead.
    """
    classes = {one.__name__ for one in type(owner).__mro__}
    for definition in source.nodes:
        if not isinstance(definition, ast.ClassDef) or definition.name not in classes:
            continue
        for function in definition.body:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for statement, value in _attribute_values(function, name, items=items):
                    yield function, statement, value


def _attribute_values(
    function: Function, name: str, *, items: bool
) -> Iterator[tuple[ast.stmt, ast.expr]]:
    own = function.args.args[0].arg if function.args.args else ""
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if items:
            targets = [target.value for target in targets if isinstance(target, ast.Subscript)]
        if any(is_attribute(target, own, name) for target in targets):
            yield node, node.value


def is_attribute(node: ast.AST, owner: str, name: str) -> bool:
    """Return whether a node is `owner.name`."""
    if not isinstance(node, ast.Attribute) or node.attr != name:
        return False
    return isinstance(node.value, ast.Name) and node.value.id == owner


def passed_argument(
    source: Source, function: Function, name: str, call: ast.Call
) -> tuple[ast.expr, int | None] | None:
    """Return the argument that a call passes for a parameter; None if it passes none.

    For an item of a starred argument, the collection and the position of the item in it.
    """
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value, None
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    if name not in names:
        return None
    position = names.index(name) - (names[0] in {"self", "cls"})
    count = 0
    for argument in call.args:
        if isinstance(argument, ast.Starred):
            length = _length(source, argument.value)
            if length is None:
                return None
            if count <= position < count + length:
                return argument.value, position - count
            count += length
        elif count == position:
            return argument, None
        else:
            count += 1
    return None


def _length(source: Source, node: ast.expr) -> int | None:
    """Return the length of a tuple or list display, or of what a function of the file returns."""
    if isinstance(node, ast.Tuple | ast.List):
        return len(node.elts)
    if isinstance(node, ast.Name):
        found = [b.value for b in bindings(source.tree.body, node.id)]
        return _length(source, found[-1]) if found and not isinstance(found[-1], ast.Name) else None
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return None
    for one in source.tree.body:
        if isinstance(one, ast.FunctionDef) and one.name == node.func.id:
            returned = [r.value for r in ast.walk(one) if isinstance(r, ast.Return)]
            value = returned[0] if len(returned) == 1 else None
            return len(value.elts) if isinstance(value, ast.Tuple) else None
    return None
