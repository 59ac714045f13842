"""Silent mistakes in training, validation and inference."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.syntax import dotted
from broken_convnets.commands.wild.faults.edits import Edit, replace
from broken_convnets.commands.wild.faults.find import calls, run_of
from broken_convnets.commands.wild.faults.registry import TRAINING, silent
from broken_convnets.commands.wild.hosts.runs import Run
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.wild.faults.edits import Site


def _lines(tree: ast.Module, text: str) -> Iterator[ast.stmt]:
    """Yield the statements of `run` with this source code."""
    return (node for node in run_of(tree) if ast.unparse(node) == text)


@silent("training/missing_zero_grad", Law.GRADIENTS_ARE_FRESH, runs=TRAINING)
def missing_zero_grad(tree: ast.Module) -> Iterator[Site]:
    """Leave `optimizer.zero_grad()` out."""
    for node in _lines(tree, "optimizer.zero_grad()"):
        yield replace(node)


@silent("training/missing_eval_mode", Law.INFERS_IN_EVAL_MODE, runs=(Run.PREDICT, Run.VALIDATE))
def missing_eval_mode(tree: ast.Module) -> Iterator[Site]:
    """Leave `net.eval()` out."""
    for node in _lines(tree, "net.eval()"):
        yield replace(node)


@silent(
    "training/missing_train_mode_after_validation", Law.TRAINS_IN_TRAIN_MODE, runs=(Run.VALIDATE,)
)
def missing_train_mode(tree: ast.Module) -> Iterator[Site]:
    """Leave `net.train()` out of the loop over epochs."""
    for node in _lines(tree, "net.train()"):
        yield replace(node)


@silent("memory/missing_no_grad_at_inference", Law.INFERENCE_BUILDS_NO_GRAPH, runs=(Run.PREDICT,))
def missing_no_grad(tree: ast.Module) -> Iterator[Site]:
    """Leave `with torch.no_grad()` out."""
    for node in run_of(tree):
        if isinstance(node, ast.With) and any(calls(node.items[0].context_expr, "no_grad")):
            yield replace(node, *node.body)


@silent("memory/loss_sum_keeps_graph", Law.MEMORY_FLAT, runs=(Run.TRAIN,))
def loss_sum_keeps_graph(tree: ast.Module) -> Iterator[Site]:
    """Add up losses with their graphs."""
    for node in _lines(tree, "total += loss.detach()"):
        assert isinstance(node, ast.AugAssign)  # noqa: S101  (its source code says so)
        yield replace(node.value, ast.Name("loss", ast.Load()))


@silent("training/scheduler_per_batch", Law.LEARNING_RATE_PER_EPOCH, runs=(Run.SCHEDULE,))
def scheduler_per_batch(tree: ast.Module) -> Iterator[Site]:
    """Step the scheduler after every batch."""
    for step in _lines(tree, "scheduler.step()"):
        for last in _lines(tree, "optimizer.step()"):
            yield Edit(step, ()), Edit(last, (last, step))


@silent("training/head_not_in_optimizer", Law.EVERY_PARAMETER_MOVES, runs=TRAINING)
def head_not_in_optimizer(tree: ast.Module) -> Iterator[Site]:
    """Pass the parameters of one part of the network to the optimizer."""
    for node in run_of(tree):
        for call in calls(node, "parameters") if isinstance(node, ast.Assign) else ():
            if dotted(call.func) == "net.parameters":
                for part in _parts(tree):
                    yield replace(call.func, ast.parse(f"net.{part}.parameters", mode="eval").body)


def _parts(tree: ast.Module) -> list[str]:
    """Return the attributes that `Net` sets to layers."""
    net = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Net")
    found = [
        dotted(node.targets[0]).removeprefix("self.")
        for node in ast.walk(net)
        if isinstance(node, ast.Assign) and dotted(node.targets[0]).startswith("self.")
    ]
    return [name for name in found if name] if len(found) > 1 else []


@silent("training/missing_optimizer_step", Law.NO_WARNINGS, runs=(Run.SCHEDULE,))
def missing_optimizer_step(tree: ast.Module) -> Iterator[Site]:
    """Leave `optimizer.step()` out."""
    for node in _lines(tree, "optimizer.step()"):
        yield replace(node)
