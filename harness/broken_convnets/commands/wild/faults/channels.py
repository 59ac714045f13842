"""Mistakes in the numbers of channels and features, and in strides."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.wild.faults.edits import Edit, replace
from broken_convnets.commands.wild.faults.find import calls, constructors, keyword
from broken_convnets.commands.wild.faults.registry import loud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.wild.faults.edits import Site

CONVOLUTIONS = (
    "Conv2d",
    "ConvTranspose2d",
    "Conv2dNormActivation",
    "BasicConv2d",
    "conv_block",
    "conv1x1",
    "conv3x3",
    "DoubleConv",
)
ON_ONE_OF_TWO_PATHS = ("Conv2d", "conv1x1", "conv3x3", "depthwise_conv")
NORMALIZATIONS = ("BatchNorm2d", "norm_layer")
PARTS_OF_NAMES = ("channel", "feature", "width", "planes", "dim", "ch")


def _convolutions(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, ast.Call]]:
    """Yield the convolutions whose input and output channels are written differently."""
    for function in constructors(tree):
        for call in calls(function, *CONVOLUTIONS):
            plain = not any(isinstance(one, ast.Starred) for one in call.args)
            plain = plain and keyword(call, "groups") is None
            if plain and len(call.args) > 1 and not _same(call.args[0], call.args[1]):
                yield function, call


@loud("shape/conv_in_channels_mismatch", "RuntimeError")
def conv_in_channels_mismatch(tree: ast.Module) -> Iterator[Site]:
    """Let a convolution expect as many channels as it returns."""
    for _, call in _convolutions(tree):
        yield replace(call.args[0], call.args[1])


@loud("shape/conv2d_argument_order", "RuntimeError")
def conv2d_argument_order(tree: ast.Module) -> Iterator[Site]:
    """Swap the input and output channels of a convolution."""
    for _, call in _convolutions(tree):
        first, second = call.args[:2]
        yield Edit(first, (second,)), Edit(second, (first,))


@loud("shape/batchnorm_channel_mismatch", "RuntimeError")
def batchnorm_channel_mismatch(tree: ast.Module) -> Iterator[Site]:
    """Normalize as many channels as the convolution before it receives."""
    for function, call in _convolutions(tree):
        for norm in calls(function, *NORMALIZATIONS):
            close = 0 < norm.lineno - call.lineno <= 2  # noqa: PLR2004  (the next statement)
            if close and norm.args and _same(norm.args[0], call.args[1]):
                yield replace(norm.args[0], call.args[0])


@loud("shape/linear_in_features_adaptive_pool", "RuntimeError")
def linear_in_features(tree: ast.Module) -> Iterator[Site]:
    """Let a linear layer expect other features than it receives."""
    for function in constructors(tree):
        names = _channel_names(function)
        for call in calls(function, "Linear"):
            if not call.args:
                continue
            first = call.args[0]
            if isinstance(first, ast.BinOp):
                yield replace(first, first.left)
            elif isinstance(first, ast.Name | ast.Attribute):
                for name in names:
                    if name != ast.unparse(first):
                        yield replace(first, ast.Name(name, ast.Load()))


def _channel_names(function: ast.FunctionDef) -> list[str]:
    """Return the local variables and arguments that hold numbers of channels, by their names."""
    found = [node.arg for node in function.args.args]
    found += [
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    single = {name for name in found if name != "features" and not name.startswith("stage")}
    single -= {name for name in found if "mult" in name}  # a factor of such a number
    return sorted({name for name in single if any(part in name for part in PARTS_OF_NAMES)})


@loud("shape/residual_shortcut_stride", "RuntimeError")
def residual_shortcut_stride(tree: ast.Module) -> Iterator[Site]:
    """Leave the stride out of a layer on one of two paths that end in a sum or concatenation."""
    for function in constructors(tree):
        for call in calls(function, *ON_ONE_OF_TWO_PATHS):
            stride = keyword(call, "stride")
            if stride and not isinstance(stride.value, ast.Constant):
                others = [one for one in call.keywords if one is not stride]
                yield replace(call, ast.Call(call.func, call.args, others))
            elif len(call.args) > 2 and ast.unparse(call.args[2]) == "stride":  # noqa: PLR2004  (in, out, stride)
                yield replace(call, ast.Call(call.func, call.args[:2], call.keywords))


def _same(one: ast.AST, other: ast.AST) -> bool:
    return ast.unparse(one) == ast.unparse(other)
