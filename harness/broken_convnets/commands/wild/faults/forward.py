"""Mistakes in forward passes that raise an exception."""

from __future__ import annotations

import ast
import itertools
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.syntax import dotted, expression
from broken_convnets.commands.wild.faults.edits import Edit, replace
from broken_convnets.commands.wild.faults.find import (
    calls,
    classes,
    forwards,
    keyword,
    layer_call,
    outermost,
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
    """Compute the output of a block and drop it: `x = ...` or nothing instead of `return ...`.

    A block inside of the model: nothing fails if the model itself returns None.
    """
    outer = outermost(tree)
    for owner in classes(tree):
        if owner.name in outer:
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
    for call in _used_outputs(tree):
        yield replace(call, call.func)


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
    for call in _used_outputs(tree):
        yield replace(call, ast.Tuple([call], ast.Load()))


def _used_outputs(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield the calls of layers whose output another layer receives, and not only the caller."""
    for function in forwards(tree):
        found = statements(function)
        for node, following in itertools.pairwise(found):
            called = layer_call(node)
            if called and not isinstance(following, ast.Return):
                yield called[1]


@loud("module/output_overwrites_layer", "TypeError")
def output_overwrites_layer(tree: ast.Module) -> Iterator[Site]:
    """Write `self.fc = self.fc(x)` for `x = self.fc(x)`."""
    for function in forwards(tree):
        for node in statements(function):
            found = layer_call(node)
            if found and isinstance(node, ast.Assign):
                target = expression(dotted(found[1].func))
                yield replace(node.targets[0], target)


@loud("none/conditional_return", "TypeError", "AttributeError")
def conditional_return(tree: ast.Module) -> Iterator[Site]:
    """Return something in the first branch of a condition only."""
    for function in forwards(tree):
        for node in statements(function):
            if isinstance(node, ast.If) and node.orelse:
                last = node.orelse[-1]
                if isinstance(last, ast.Return) and isinstance(node.body[-1], ast.Return):
                    yield replace(last)
        yield from _return_in_branch(function)


def _return_in_branch(function: ast.FunctionDef) -> Iterator[Site]:
    """Indent the last `return` too far, so that it belongs to the condition before it."""
    before, last = [None, *function.body][-2:]
    if isinstance(before, ast.If) and not before.orelse and isinstance(last, ast.Return):
        yield Edit(last, ()), Edit(before, (ast.If(before.test, [*before.body, last], []),))
