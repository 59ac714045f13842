"""Layers are constructed with integers where they count, and arguments in their order."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.bindings import bindings
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    origin_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.origins import Origin, follow, origin_of, part_of
from broken_convnets.commands.diagnose.analysis.returns import computed_by
from broken_convnets.commands.diagnose.analysis.user_frames import UNKNOWN, Scope
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.commands.diagnose.source import argument
from broken_convnets.observe.recorder.passes import running_modules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site

Attempt = tuple[int, "Callable[[], Patch]"]
COUNTS = ("kernel_size", "stride", "padding", "dilation", "output_size", "output_padding")
CONVOLUTION = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation")


@rule(
    "sizes and channels of layers are integers",
    stays_quiet="about arguments that may be floats",
)
def float_argument(evidence: Evidence) -> Iterator[Finding]:
    """Find `channels / 2` and the like in the constructor of a layer that fails."""
    frame = require_failure(evidence, TypeError)
    call = frame.call
    built = frame.value(call.func) if call else None
    if call is None or not isinstance(built, type) or not issubclass(built, nn.Module):
        return
    for node in (*call.args, *(keyword.value for keyword in call.keywords)):
        value = frame.value(node)
        origin = _source_of_float(evidence, origin_of(evidence, 0, node))
        divided = _division(origin.node)
        if not isinstance(value, float) and not (value is UNKNOWN and divided):
            continue
        text = frame.source.text_of(node)
        yield Finding(
            kind="shape/float_conv_args",
            message=f"`{text}` is a float; {built.__name__} needs an integer",
            evidence=f"`{shortened(origin.source.text_of(origin.node))}` divides with /, which "
            "always returns a float; // returns an integer"
            if divided
            else f"its value is {value}",
            cause=origin_location(origin) if divided else frame_location(frame),
            symptom=frame_location(frame),
            subject=text,
            cases=("shape/float_channels",),
            candidates=candidates(*_integer(origin)),
            confidence=10,
        )
        return


def _source_of_float(evidence: Evidence, origin: Origin) -> Origin:
    """Return the division behind a sum or product with a float; the sum if there is none."""
    if isinstance(origin.node, ast.Call):
        origin = computed_by(evidence, origin)
    if _division(origin.node) or not isinstance(origin.node, ast.BinOp):
        return origin
    for part in (origin.node.left, origin.node.right):
        floating = isinstance(part, ast.Name) and isinstance(origin.scope.lookup(part.id), float)
        if floating or isinstance(part, ast.BinOp):
            found = _source_of_float(evidence, part_of(evidence, origin, part))
            if _division(found.node):
                return found
    return origin


def _division(node: ast.expr) -> ast.BinOp | None:
    """Return the first division with / in an expression."""
    found = [n for n in ast.walk(node) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div)]
    return found[0] if found else None


def _integer(origin: Origin) -> Iterator[Attempt]:
    """Yield // for every division of the same text in the function, then int()."""
    source = origin.source
    divided = _division(origin.node)
    if divided is not None:
        same = [
            node
            for node in ast.walk(source.function_of(origin.node) or source.tree)
            if isinstance(node, ast.BinOp) and source.text_of(node) == source.text_of(divided)
        ]
        text = f"{source.text_of(divided.left)} // {source.text_of(divided.right)}"
        yield 0, partial(edits.replace, source, [(node, text) for node in same])
    text = f"int({source.text_of(origin.node)})"
    yield 1, partial(edits.replace, source, [(origin.node, text)])


@rule(
    "the sizes that a layer keeps are integers when it runs",
    stays_quiet="about layers that raise nothing",
)
def kept_argument_type(evidence: Evidence) -> Iterator[Finding]:
    """Find paddings and kernel sizes that are floats or booleans, and fail in forward()."""
    frame = require_failure(evidence, TypeError, RuntimeError)
    running = running_modules(evidence.error) if evidence.error else []
    layer = running[-1] if running else None
    if layer is None or not type(layer).__module__.startswith("torch.nn"):
        return
    for name in COUNTS:
        value = getattr(layer, name, None)
        parts = value if isinstance(value, tuple | list) else (value,)
        kinds = {type(part) for part in parts}
        if not kinds & {float, bool}:
            continue
        built = evidence.record.construction(layer)
        site = site_of(evidence, built.places) if built else None
        position = list(built.arguments).index(name) if built and name in built.arguments else None
        node = argument(site.call, name, position) if site else None
        logical = bool in kinds
        text = site.source.text_of(node) if site and node else str(value)
        origin = _assigned(evidence, site, node) if site and node else None
        divided = origin is not None and _division(origin.node) is not None
        yield Finding(
            kind="shape/bool_conv_args" if logical else "shape/float_conv_args",
            message=f"{name} of this {type(layer).__name__} is {value!r}: "
            f"{'a boolean' if logical else 'a float'}, not an integer",
            evidence=f"it was constructed with `{text}`",
            cause=origin_location(origin)
            if origin and divided
            else location(built.places)
            if built and built.places
            else frame_location(frame),
            symptom=frame_location(frame),
            subject=text,
            cases=("shape/bool_padding" if logical else "shape/float_padding",),
            candidates=candidates(*_integer(origin)) if origin else (),
            confidence=10,
        )
        return


def _assigned(evidence: Evidence, site: Site, node: ast.expr) -> Origin:
    """Return what computed an argument: of several assignments, the one that divides with /."""
    start = Origin(site.source, node, Scope({}, {}), site.statement)
    function = site.source.function_of(node)
    if isinstance(node, ast.Name) and function is not None:
        found = [one for one in bindings(function.body, node.id) if _division(one.value)]
        if len(found) == 1:
            return replace(start, node=found[0].value, statement=found[0].statement)
    return follow(evidence, start)


@rule(
    "the positional arguments of a convolution are in the order of its signature",
    stays_quiet="unless the dilation equals the number of channels",
)
def groups_as_dilation(evidence: Evidence) -> Iterator[Finding]:
    """Find depthwise convolutions whose groups were passed by position, as the dilation."""
    frame = require_failure(evidence, RuntimeError, ValueError)
    running = running_modules(evidence.error) if evidence.error else []
    layer = running[-1] if running else None
    built = evidence.record.construction(layer) if layer is not None else None
    site = site_of(evidence, built.places) if built else None
    if built is None or site is None or not isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return
    position = len(CONVOLUTION) - 1
    dilation = layer.dilation[0]
    if len(site.call.args) <= position or layer.groups > 1 or dilation != layer.in_channels:
        return
    node = site.call.args[position]
    text = site.source.text_of(node)
    new = partial(edits.replace, site.source, [(node, f"groups={text}")])
    yield Finding(
        kind="shape/conv_args_order",
        message=f"`{text}` is passed as the dilation; it is probably meant as groups",
        evidence=f"the sixth argument of {type(layer).__name__} is the dilation; {dilation} equals "
        f"the number of channels, and a kernel of {layer.kernel_size[0]} then spans "
        f"{dilation * (layer.kernel_size[0] - 1) + 1} pixels",
        cause=location(built.places),
        symptom=frame_location(frame),
        subject=site.source.text_of(site.call),
        cases=("shape/conv2d_argument_order",),
        candidates=candidates((0, new)),
        confidence=10,
    )
