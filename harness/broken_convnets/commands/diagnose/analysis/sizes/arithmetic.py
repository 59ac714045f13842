"""Arithmetic with integers in the user's source: its value, and how to write another one."""

from __future__ import annotations

import ast
import operator
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from broken_convnets.observe.recorder.scopes import Scope

OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
LARGEST_EXPONENT = 8
SMALL = range(1, 33)  # numbers that are tried in place of one in the source


def evaluate(node: ast.expr, scope: Scope) -> int | None:
    """Return the value of integer arithmetic; None for anything else or an unknown name."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if isinstance(node, ast.Name | ast.Attribute):
        return scope.get(ast.unparse(node))
    if not isinstance(node, ast.BinOp):
        return None
    left, right = evaluate(node.left, scope), evaluate(node.right, scope)
    return None if left is None or right is None else _applied(node.op, left, right)


def _applied(symbol: ast.operator, left: int, right: int) -> int | None:
    if isinstance(symbol, ast.Pow):
        return int(left**right) if 0 <= right <= LARGEST_EXPONENT else None
    apply = OPERATORS.get(type(symbol))
    try:
        return apply(left, right) if apply else None
    except ZeroDivisionError:
        return None


def rewritten(node: ast.expr, scope: Scope, number: int, keep: int = 0) -> Iterator[str]:
    """Yield expressions that resemble `node` and have the value `number`, the closest first.

    A constant of the value `keep` is not changed.
    """
    now = evaluate(node, scope)
    parts = [part for part in ast.walk(node) if isinstance(part, ast.Name | ast.Attribute)]
    yield from (ast.unparse(p) for p in parts if p is not node and evaluate(p, scope) == number)
    yield from _other_constant(node, scope, number, keep)
    if now and number % now == 0 and number != now:
        yield from _named_factor(node, scope, number // now)
    if isinstance(node, ast.Name | ast.Attribute):
        names = [name for name, value in scope.items() if value == number and "." not in name]
        yield from names if len(names) == 1 else ()
        yield from _by_number(ast.unparse(node), now or 0, number)


def _other_constant(node: ast.expr, scope: Scope, number: int, keep: int) -> Iterator[str]:
    """Yield the expression with another number, at one place or at all that are equal."""
    constants = [n for n in ast.walk(node) if isinstance(n, ast.Constant) and n.value != keep]
    groups = [[c for c in constants if c.value == value] for value in {c.value for c in constants}]
    for group in chain(groups, ([c] for c in constants)):
        text = _with_constant(node, group, scope, number)
        if text:
            yield text


def _with_constant(node: ast.expr, group: Iterable[ast.Constant], scope: Scope, number: int) -> str:
    group = list(group)
    old = [constant.value for constant in group]
    try:
        for value in SMALL:
            for constant in group:
                constant.value = value
            if evaluate(node, scope) == number:
                return _simplified(node)
    finally:
        for constant, before in zip(group, old, strict=True):
            constant.value = before
    return ""


def _simplified(node: ast.expr) -> str:
    """Return the text of an expression, a last factor of 1 left out."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.FloorDiv):
        right = node.right
        if isinstance(right, ast.Constant) and right.value == 1:
            return ast.unparse(node.left)
    return ast.unparse(node)


def _named_factor(node: ast.expr, scope: Scope, factor: int) -> Iterator[str]:
    """Yield the expression times a local name, if exactly one has the value of the factor."""
    names = [name for name, value in scope.items() if value == factor and "." not in name]
    if len(names) == 1 and isinstance(node, ast.BinOp | ast.Name | ast.Attribute):
        text = ast.unparse(node)
        product = not isinstance(node, ast.BinOp) or isinstance(node.op, ast.Mult | ast.Pow)
        yield f"{names[0]} * {text if product else f'({text})'}"


def _by_number(text: str, now: int, number: int) -> Iterator[str]:
    if not now or not number:
        return
    if number % now == 0:
        yield f"{text} * {number // now}"
    elif now % number == 0:
        yield f"{text} // {now // number}"
    elif abs(number - now) == 1:
        yield f"{text} + 1" if number > now else f"{text} - 1"
