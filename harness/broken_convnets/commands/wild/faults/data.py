"""Mistakes in the images and targets that a program creates."""

from __future__ import annotations

import ast
import copy
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.syntax import expression
from broken_convnets.commands.wild.faults.edits import replace
from broken_convnets.commands.wild.faults.find import calls, function
from broken_convnets.commands.wild.faults.registry import ANY_RUN, TRAINING, loud
from broken_convnets.commands.wild.hosts.runs import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.wild.faults.edits import Site

WITH_TARGETS = (Run.LOSS, *TRAINING)


def _unnormalized_images(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield the images of programs that do not normalize them.

    A mean of three channels makes three channels of one, and floating point of bytes.
    """
    if not any(calls(tree, "register_buffer")):
        yield from _images(tree)


def _images(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield `torch.rand(batch_size, 3, height, width)` of `example_inputs`."""
    found = function(tree, "example_inputs")
    yield from calls(found, "rand") if found else ()


def _labels(tree: ast.Module) -> Iterator[ast.BinOp]:
    """Yield `torch.arange(...) % classes` of `example_targets`."""
    found = function(tree, "example_targets")
    for node in ast.walk(found) if found else ():
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            yield node


@loud("shape/grayscale_into_rgb_network", "RuntimeError", runs=(*ANY_RUN, Run.LOSS))
def grayscale_images(tree: ast.Module) -> Iterator[Site]:
    """Create images of one channel."""
    for call in _unnormalized_images(tree):
        yield replace(call.args[1], ast.Constant(1))


@loud("shape/channels_last_images", "RuntimeError", runs=(*ANY_RUN, Run.LOSS))
def channels_last_images(tree: ast.Module) -> Iterator[Site]:
    """Create images with their channels last, as NumPy and PIL do."""
    for call in _images(tree):
        batch, channels, height, width = call.args
        yield replace(call, ast.Call(call.func, [batch, height, width, channels], []))


@loud("dtype/uint8_images", "RuntimeError", runs=(*ANY_RUN, Run.LOSS))
def uint8_images(tree: ast.Module) -> Iterator[Site]:
    """Create images of bytes."""
    for call in _unnormalized_images(tree):
        new = expression("torch.randint(256, (), dtype=torch.uint8)")
        assert isinstance(new, ast.Call)  # noqa: S101  (its source code says so)
        new.args[1] = ast.Tuple(copy.copy(call.args), ast.Load())
        yield replace(call, new)


@loud("loss/labels_start_at_one", "IndexError", runs=WITH_TARGETS)
def labels_start_at_one(tree: ast.Module) -> Iterator[Site]:
    """Count the classes from 1."""
    for node in _labels(tree):
        yield replace(node, ast.BinOp(node, ast.Add(), ast.Constant(1)))


@loud("dtype/float_class_labels", "RuntimeError", runs=WITH_TARGETS)
def float_class_labels(tree: ast.Module) -> Iterator[Site]:
    """Create labels of floating point."""
    for node in _labels(tree):
        yield replace(node, ast.Call(ast.Attribute(node, "float", ast.Load()), [], []))
