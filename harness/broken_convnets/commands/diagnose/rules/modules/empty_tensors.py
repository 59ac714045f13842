"""Which tensor that a constructor stores is memory that was only allocated, by its syntax."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

EMPTY = frozenset({"empty", "empty_like", "new_empty"})
SIZED = frozenset({"Tensor", "FloatTensor"})  # of sizes, or of the numbers themselves
WRAPPERS = frozenset({"Parameter", "Buffer"})
REGISTERS = frozenset({"register_parameter", "register_buffer"})
DYNAMIC = frozenset({"setattr", "_parameters", "_buffers"})


def allocation_in(owner: ast.ClassDef, name: str) -> ast.Call | None:
    """Return the call that allocates the tensor that a class stores as `self.<name>`.

    None if it stores another one too, or may do so by names that are computed.
    """
    found: list[ast.expr] = []
    for node in ast.walk(owner):
        if getattr(node, "attr", getattr(node, "id", "")) in DYNAMIC:
            return None
        if isinstance(node, ast.Assign) and _mentions(node.targets, name):
            found.append(node.value)
        if isinstance(node, ast.Call) and called_name(node) in REGISTERS and len(node.args) > 1:
            first, second = node.args[:2]
            if isinstance(first, ast.Constant) and first.value == name:
                found.append(second)
    return _unwrapped(found[0]) if len(found) == 1 else None


def is_allocation(
    call: ast.Call, shape: tuple[int, ...], module: nn.Module, arguments: Mapping[str, Any]
) -> bool:
    """Return whether a call allocates a tensor of given sizes, whose shape is known.

    torch.Tensor has one argument that is a size, or the numbers of a list: `arguments` are those
    of the constructor, and tell which.
    """
    name = called_name(call)
    if name in EMPTY:
        return True
    if name not in SIZED or not call.args or call.keywords:
        return False
    first = call.args[0]
    if len(call.args) > 1 or isinstance(first, ast.Starred):
        return True
    size = _size(first, module, arguments)
    return size is not None and shape == (size,)


def _size(node: ast.expr, module: nn.Module, arguments: Mapping[str, Any]) -> int | None:
    """Return the integer that an expression is; None if it is none, or is not known."""
    value: object = None
    if isinstance(node, ast.Constant):
        value = node.value
    elif isinstance(node, ast.Name):
        value = arguments.get(node.id)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        value = getattr(module, node.attr, None)
    return value if type(value) is int else None


def _unwrapped(value: ast.expr | None) -> ast.Call | None:
    """Return the call inside nn.Parameter(...); None if anything else is done to its result."""
    if isinstance(value, ast.Call) and called_name(value) in WRAPPERS:
        value = argument(value, "data", 0)
    return value if isinstance(value, ast.Call) else None


def _mentions(targets: list[ast.expr], name: str) -> bool:
    """Return whether an assignment stores to `self.<name>`, its `.data` or its items."""
    return any(
        isinstance(n, ast.Attribute) and n.attr == name for t in targets for n in ast.walk(t)
    )
