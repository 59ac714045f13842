"""Mistakes in the code that puts layers together."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.syntax import expression
from broken_convnets.commands.wild.faults.edits import replace
from broken_convnets.commands.wild.faults.find import calls, constructors, last_name, statements
from broken_convnets.commands.wild.faults.registry import loud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.wild.faults.edits import Site


def _sequentials(tree: ast.Module) -> Iterator[tuple[ast.Call, ast.Starred]]:
    """Yield the calls `nn.Sequential(*layers)` of all constructors, with their argument."""
    for function in constructors(tree):
        for call in calls(function, "Sequential"):
            if len(call.args) == 1 and isinstance(call.args[0], ast.Starred):
                yield call, call.args[0]


@loud("module/called_modulelist", "NotImplementedError")
def called_modulelist(tree: ast.Module) -> Iterator[Site]:
    """Write `nn.ModuleList(layers)` for `nn.Sequential(*layers)`, and call it."""
    for call, layers in _sequentials(tree):
        yield replace(call, ast.Call(expression("nn.ModuleList"), [layers.value], []))


@loud("module/list_passed_to_sequential", "TypeError")
def list_passed_to_sequential(tree: ast.Module) -> Iterator[Site]:
    """Write `nn.Sequential(layers)` for `nn.Sequential(*layers)`."""
    for call, layers in _sequentials(tree):
        yield replace(call, ast.Call(call.func, [layers.value], []))


@loud("none/append_result_assigned", "TypeError", "AttributeError")
def append_result_assigned(tree: ast.Module) -> Iterator[Site]:
    """Write `layers = layers.append(...)`."""
    for function in constructors(tree):
        for node in statements(function):
            call = node.value if isinstance(node, ast.Expr) else None
            if isinstance(call, ast.Call) and last_name(call.func) == "append":
                owner = call.func.value if isinstance(call.func, ast.Attribute) else None
                if isinstance(owner, ast.Name):
                    yield replace(node, ast.Assign([ast.Name(owner.id, ast.Store())], call))


@loud("shape/float_channels", "TypeError")
def float_channels(tree: ast.Module) -> Iterator[Site]:
    """Write `channels / 2` for `channels // 2`."""
    for function in constructors(tree):
        for node in ast.walk(function):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv):
                yield replace(node, ast.BinOp(node.left, ast.Div(), node.right))
