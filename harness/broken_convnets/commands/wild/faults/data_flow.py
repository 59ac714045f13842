"""Silent mistakes in forward passes: what the output and the gradients depend on."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.syntax import dotted, expression
from broken_convnets.commands.wild.faults.edits import replace
from broken_convnets.commands.wild.faults.find import (
    calls,
    forwards,
    keyword,
    layer_call,
    statements,
)
from broken_convnets.commands.wild.faults.registry import silent
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.wild.faults.edits import Site


@silent("module/discarded_layer_output", Law.EVERY_PARAMETER_LEARNS, same_shape=True)
def discarded_layer_output(tree: ast.Module) -> Iterator[Site]:
    """Call a layer, and do not assign its output."""
    for function in forwards(tree):
        for node in statements(function):
            found = layer_call(node)
            if found and found[0] == ast.unparse(found[1].args[0]):
                yield replace(node, ast.Expr(found[1]))


@silent(
    "module/functional_dropout_ignores_eval",
    Law.DETERMINISTIC_IN_EVAL,
)
def functional_dropout_ignores_eval(tree: ast.Module) -> Iterator[Site]:
    """Leave `training=self.training` out of a call of dropout."""
    for function in forwards(tree):
        for call in calls(function, "dropout", "stochastic_depth"):
            training = keyword(call, "training")
            if training:
                others = [one for one in call.keywords if one is not training]
                yield replace(call, ast.Call(call.func, call.args, others))


@silent("batch/softmax_over_batch", Law.SAMPLES_INDEPENDENT)
def softmax_over_batch(tree: ast.Module) -> Iterator[Site]:
    """Normalize the scores over the images of a batch: `torch.softmax(x, dim=0)`."""
    for function in forwards(tree):
        for call in calls(function, "softmax", "log_softmax"):
            dimension = keyword(call, "dim")
            if dimension:
                yield replace(dimension.value, ast.Constant(0))


@silent(
    "module/inplace_relu_on_input",
    Law.INPUTS_UNTOUCHED,
    title="An in-place operation on the input",
)
def inplace_on_input(tree: ast.Module) -> Iterator[Site]:
    """Write `x -= mean` for `x = x - mean`, where `x` is the batch of images."""
    for function in forwards(tree):
        for node in statements(function)[:2]:
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.value, ast.BinOp)
                and dotted(node.targets[0]) == dotted(node.value.left) == function.args.args[-1].arg
            ):
                left = node.targets[0]
                assert isinstance(left, ast.Name)  # noqa: S101  (the name of the argument)
                yield replace(node, ast.AugAssign(left, node.value.op, node.value.right))


@silent("module/unused_layer", Law.EVERY_PARAMETER_LEARNS, same_shape=True)
def unused_layer(tree: ast.Module) -> Iterator[Site]:
    """Delete `x = self.layer(x)`."""
    for function in forwards(tree):
        for node in statements(function):
            found = layer_call(node)
            if found and found[0] == ast.unparse(found[1].args[0]):
                yield replace(node)


@silent(
    "training/loss_term_under_no_grad",
    Law.EVERY_PARAMETER_LEARNS,
    title="A layer under torch.no_grad() in forward",
)
def layer_under_no_grad(tree: ast.Module) -> Iterator[Site]:
    """Call a layer under `torch.no_grad()`."""
    for function in forwards(tree):
        for node in statements(function):
            found = layer_call(node)
            if found:
                manager = ast.withitem(expression("torch.no_grad()"))
                yield replace(node, ast.With([manager], [node]))
