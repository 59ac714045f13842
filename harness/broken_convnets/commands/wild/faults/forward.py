"""Mistakes in forward passes that raise an exception."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.syntax import dotted, expression
from broken_convnets.commands.wild.faults.edits import Edit, replace
from broken_convnets.commands.wild.faults.find import (
    calls,
    classes,
    forwards,
    keyword,
    layer_call,
    statements,
)
from broken_convnets.commands.wild.faults.registry import loud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.wild.faults.edits import Site


@loud("shape/missing_flatten", "RuntimeError", "ValueError")
def missing_flatten(tree: ast.Module) -> Iterator[Site]:
    """Delete `x = torch.flatten(x, 1)`, or `nn.Flatten(1)` in a Sequential."""
    for function in forwards(tree):
        for node in statements(function):
            if isinstance(node, ast.Assign) and any(calls(node.value, "flatten")):
                yield replace(node)


@loud("none/missing_return", "TypeError", "AttributeError")
def missing_return(tree: ast.Module) -> Iterator[Site]:
    """Compute the output of a block and drop it: `x = ...` or nothing instead of `return ...`."""
    for owner in classes(tree):
        if owner.name == "Net":
            continue
        for function in owner.body:
            if isinstance(function, ast.FunctionDef) and function.name == "forward":
                last = function.body[-1]
                if isinstance(last, ast.Return) and last.value is not None:
                    yield _without_return(last, last.value)


def _without_return(node: ast.Return, value: ast.expr) -> Site:
    if isinstance(value, ast.Name):
        return replace(node)
    return replace(node, ast.Assign([ast.Name("out", ast.Store())], value))


@loud("none/layer_not_called", "TypeError", "AttributeError")
def layer_not_called(tree: ast.Module) -> Iterator[Site]:
    """Write `x = self.relu` for `x = self.relu(x)`."""
    for function in forwards(tree):
        for node in statements(function):
            found = layer_call(node)
            if found:
                yield replace(found[1], found[1].func)


@loud("module/layer_constructed_with_input", "TypeError", "AttributeError")
def layer_constructed_with_input(tree: ast.Module) -> Iterator[Site]:
    """Write `nn.ReLU(x)` for `self.relu(x)` or `F.relu(x)`."""
    for function in forwards(tree):
        for call in calls(function, "relu"):
            if call.args and dotted(call.func) != "torch.relu_":
                yield replace(call, ast.Call(expression("nn.ReLU"), call.args[:1], []))


@loud("shape/concat_along_batch", "RuntimeError")
def concat_along_batch(tree: ast.Module) -> Iterator[Site]:
    """Concatenate feature maps along the batch: `torch.cat(xs, dim=0)`."""
    for function in forwards(tree):
        for call in calls(function, "cat"):
            dimension = keyword(call, "dim")
            if dimension:
                yield replace(dimension.value, ast.Constant(0))
            elif len(call.args) > 1:
                yield replace(call.args[1], ast.Constant(0))


@loud("none/trailing_comma_tuple", "TypeError", "AttributeError")
def trailing_comma_tuple(tree: ast.Module) -> Iterator[Site]:
    """Write a comma after `x = self.layer(x)`, which makes a tuple."""
    for function in forwards(tree):
        for node in statements(function):
            found = layer_call(node)
            if found:
                yield (Edit(found[1], (ast.Tuple([found[1]], ast.Load()),)),)
