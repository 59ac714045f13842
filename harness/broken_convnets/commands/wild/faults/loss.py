"""Mistakes in the loss, its gradients and the metric."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.syntax import expression, statements
from broken_convnets.commands.wild.faults.edits import Edit, replace
from broken_convnets.commands.wild.faults.find import calls, function, last_name, run_of
from broken_convnets.commands.wild.faults.registry import TRAINING, loud, silent
from broken_convnets.commands.wild.hosts.runs import AUXILIARY, Run
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.wild.faults.edits import Site

WITH_LOSS = (Run.LOSS, *TRAINING)
MODULES = {"cross_entropy": "nn.CrossEntropyLoss", "mse_loss": "nn.MSELoss"}


def _losses(tree: ast.Module) -> Iterator[tuple[ast.Call, ast.Assign]]:
    """Yield the statements `loss = F.some_loss(outputs, targets)` of `run`, and first its call.

    With auxiliary heads, the loss is a sum: the call is that of the network's own output.
    """
    for node in run_of(tree):
        if isinstance(node, ast.Assign) and last_name(node.targets[0]) == "loss":
            for call in calls(node.value, *MODULES):
                yield call, node


@loud("training/backward_on_float", "AttributeError", runs=WITH_LOSS)
def backward_on_float(tree: ast.Module) -> Iterator[Site]:
    """Call `item()` before `backward()`."""
    for _, node in _losses(tree):
        yield replace(node.value, ast.Call(ast.Attribute(node.value, "item", ast.Load()), [], []))


@loud("training/backward_twice", "RuntimeError", runs=WITH_LOSS)
def backward_twice(tree: ast.Module) -> Iterator[Site]:
    """Call `backward()` again for the same loss."""
    for node in run_of(tree):
        if ast.unparse(node) == "loss.backward()":
            yield replace(node, node, node)


@loud("loss/backward_on_per_image_loss", "RuntimeError", runs=WITH_LOSS)
def backward_on_per_image_loss(tree: ast.Module) -> Iterator[Site]:
    """Leave the losses of a batch as they are: `reduction="none"`."""
    for call, _ in _losses(tree):
        reduction = ast.keyword("reduction", ast.Constant("none"))
        yield replace(call, ast.Call(call.func, call.args, [reduction]))


@loud("loss/loss_module_as_function", "RuntimeError", runs=WITH_LOSS)
def loss_module_as_function(tree: ast.Module) -> Iterator[Site]:
    """Pass the outputs to the constructor of a loss."""
    for call, _ in _losses(tree):
        yield replace(call.func, expression(MODULES[last_name(call.func)]))


@loud("none/aux_output_tuple_in_loss", "TypeError", runs=TRAINING)
def aux_output_tuple_in_loss(tree: ast.Module) -> Iterator[Site]:
    """Pass all outputs of a network with auxiliary heads to one loss."""
    others = [node for node in run_of(tree) if _is_auxiliary(node)]
    for call, node in _losses(tree):
        own = call.args[0]
        if isinstance(own, ast.Attribute | ast.Subscript):
            alone = ast.Call(call.func, [own.value, *call.args[1:]], call.keywords)
            yield Edit(node.value, (alone,)), *(Edit(other, ()) for other in others)


def _is_auxiliary(node: ast.stmt) -> bool:
    """Return whether a statement assigns the loss of an auxiliary head."""
    return isinstance(node, ast.Assign) and last_name(node.targets[0]).startswith(AUXILIARY)


@silent("loss/softmax_before_cross_entropy", Law.ONE_BATCH_CAN_BE_LEARNED, runs=(Run.LOSS,))
def softmax_before_cross_entropy(tree: ast.Module) -> Iterator[Site]:
    """Pass probabilities to the cross-entropy, which expects scores."""
    for call, _ in _losses(tree):
        if last_name(call.func) == "cross_entropy":
            scores = call.args[0]
            dimension = ast.keyword("dim", ast.Constant(1))
            yield replace(scores, ast.Call(expression("torch.softmax"), [scores], [dimension]))


@silent("training/loss_wrapped_in_new_tensor", Law.EVERY_PARAMETER_MOVES, runs=(Run.TRAIN,))
def loss_wrapped_in_new_tensor(tree: ast.Module) -> Iterator[Site]:
    """Make a new tensor of the loss, without its graph."""
    for _, node in _losses(tree):
        new = statements("loss = torch.tensor(loss.item(), requires_grad=True)")
        yield replace(node, node, *new)


@silent("loss/max_instead_of_argmax", Law.PERFECT_SCORES_ONE, runs=(Run.LOSS, Run.VALIDATE))
def max_instead_of_argmax(tree: ast.Module) -> Iterator[Site]:
    """Compare the largest score with the class."""
    for call in _predictions(tree):
        largest = ast.Attribute(call.func, "max", ast.Load())
        assert isinstance(call.func, ast.Attribute)  # noqa: S101  (a method)
        largest.value = call.func.value
        new = ast.Call(largest, call.args, call.keywords)
        yield replace(call, ast.Attribute(new, "values", ast.Load()))


@silent("loss/broadcast_accuracy", Law.PERFECT_SCORES_ONE, runs=(Run.LOSS, Run.VALIDATE))
def broadcast_accuracy(tree: ast.Module) -> Iterator[Site]:
    """Compare a column of predictions with a row of classes."""
    for call in _predictions(tree):
        keep = ast.keyword("keepdim", ast.Constant(value=True))
        yield replace(call, ast.Call(call.func, call.args, [*call.keywords, keep]))


def _predictions(tree: ast.Module) -> Iterator[ast.Call]:
    found = function(tree, "score")
    yield from calls(found, "argmax") if found else ()
