"""Numbers and arrays are taken out of a graph at the right place."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    origin_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.origins import origin_of
from broken_convnets.commands.diagnose.analysis.user_frames import value_of
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

Attempt = tuple[int, "Callable[[], Patch]"]
OUT = ("item", "tolist", "numpy", "detach")


@rule(
    "backward() is called on a tensor",
    stays_quiet="about objects that are not numbers",
)
def backward_on_number(evidence: Evidence) -> Iterator[Finding]:
    """Find losses that item() or float() turned into a plain number before backward()."""
    frame = require_failure(evidence, AttributeError)
    node = frame.expression
    node = node.func if isinstance(node, ast.Call) else node
    if not isinstance(node, ast.Attribute) or node.attr != "backward":
        return
    value = frame.value(node.value)
    if not isinstance(value, float | int) and "float" not in evidence.message:
        return
    origin = origin_of(evidence, 0, node.value)
    found = _taken_out(origin.source, origin.node) or _summed(frame, node.value)
    text = frame.source.text_of(node.value)
    where = Location(frame.source.path, found[0].lineno) if found else origin_location(origin)
    yield Finding(
        kind="training/graph_detached",
        message=f"`{text}` is a {type(value).__name__ if value else 'float'}, not a tensor",
        evidence=f"`{shortened(origin.source.text_of(found[0]))}` returns a Python number, "
        "which has no graph; call backward() on the tensor"
        if found
        else "it has no graph to go back through",
        cause=where,
        symptom=frame_location(frame),
        subject=text,
        cases=("training/backward_on_float",),
        candidates=candidates((0, partial(edits.replace, origin.source, [found]))) if found else (),
        confidence=10,
    )


def _taken_out(source: Source, node: ast.expr) -> tuple[ast.expr, str] | None:
    """Return the part of an expression that takes a number out of a tensor, and the tensor."""
    for part in ast.walk(node):
        if not isinstance(part, ast.Call):
            continue
        if isinstance(part.func, ast.Attribute) and part.func.attr in OUT:
            return part, source.text_of(part.func.value)
        if isinstance(part.func, ast.Name) and part.func.id == "float" and part.args:
            return part, source.text_of(part.args[0])
    return None


def _summed(frame: UserFrame, node: ast.expr) -> tuple[ast.expr, str] | None:
    """Return the same for what is added to a running sum."""
    text = frame.source.text_of(node)
    for statement in ast.walk(frame.function or frame.source.tree):
        if isinstance(statement, ast.AugAssign) and frame.source.text_of(statement.target) == text:
            found = _taken_out(frame.source, statement.value)
            if found is not None:
                return found
    return None


@rule(
    "a tensor is detached and on the CPU before it becomes a NumPy array",
    stays_quiet="about tensors that require no gradient and are on the CPU",
)
def numpy_of_graph(evidence: Evidence) -> Iterator[Finding]:
    """Find numpy() and NumPy functions of tensors with a graph or on an accelerator."""
    frame = require_failure(evidence, RuntimeError, TypeError)
    graph = "Can't call numpy()" in evidence.message
    device = "device type tensor to numpy" in evidence.message
    if not graph and not device:
        return
    found = _array_argument(frame)
    if found is None:
        return
    node, text = found
    fixed = f"{text}.detach().cpu()" if device else f"{text}.detach()"
    yield Finding(
        kind="device/numpy_on_cuda",
        message=f"`{text}` {'has a graph' if graph else 'is not on the CPU'}, which NumPy cannot "
        "read",
        evidence="use detach() first, or compute it in torch.no_grad()"
        if graph
        else "copy it with cpu() first",
        cause=frame_location(frame),
        subject=text,
        cases=("device/numpy_requires_grad",),
        candidates=candidates(
            (0, partial(edits.replace, frame.source, [(node, fixed)])),
            *_without_autograd(frame, node),
        ),
        confidence=10,
    )


def _without_autograd(frame: UserFrame, node: ast.expr) -> Iterator[Attempt]:
    """Yield the change that computes the tensor without a graph, if the statement computes it."""
    computed = any(isinstance(part, ast.Call) for part in ast.walk(node))
    if computed and frame.statement is not None:
        yield 1, partial(edits.wrap, frame.source, frame.statement, "with torch.no_grad():")


def _array_argument(frame: UserFrame) -> tuple[ast.expr, str] | None:
    """Return the tensor of `x.numpy()`, or the one among the arguments of a function."""
    call = frame.call
    if call is None:
        return None
    if isinstance(call.func, ast.Attribute) and call.func.attr == "numpy":
        return call.func.value, frame.source.text_of(call.func.value)
    for node in call.args:
        value = frame.value(node)
        if isinstance(value, torch.Tensor) or isinstance(node, ast.Call):
            return node, frame.source.text_of(node)
        if isinstance(node, ast.ListComp):
            simple = isinstance(node.elt, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
            text = frame.source.text_of(node.elt)
            return node.elt, text if simple else f"({text})"
    return None


@rule(
    "hooks on gradients are registered on tensors that have a graph",
    stays_quiet="about hooks of modules",
)
def hook_without_graph(evidence: Evidence) -> Iterator[Finding]:
    """Find register_hook() and retain_grad() of tensors that were computed without autograd."""
    frame = require_failure(evidence, RuntimeError)
    call = frame.call
    name = call.func.attr if call and isinstance(call.func, ast.Attribute) else ""
    if name not in {"register_hook", "retain_grad", "register_post_accumulate_grad_hook"}:
        return
    tensor = frame.value(call.func.value) if call and isinstance(call.func, ast.Attribute) else None
    if isinstance(tensor, torch.Tensor) and tensor.requires_grad:
        return
    block = _no_grad_block(evidence)
    text = frame.source.text_of(call) if call else ""
    yield Finding(
        kind="training/hook_without_graph",
        message=f"`{shortened(text)}` needs a graph, and the tensor has none",
        evidence=f"it was computed in `{_header(*block)}` at line {block[1].lineno}"
        if block
        else "it does not require gradients",
        cause=Location(block[0].path, block[1].lineno) if block else frame_location(frame),
        symptom=frame_location(frame),
        subject=text,
        candidates=candidates((0, partial(edits.unwrap, *block))) if block else (),
        confidence=9,
    )


def _no_grad_block(evidence: Evidence) -> tuple[Source, ast.With] | None:
    """Return the innermost block without autograd around the failing call."""
    for frame in evidence.frames:
        for node in frame.source.ancestors(frame.statement) if frame.statement else ():
            if isinstance(node, ast.With) and "grad" in frame.source.text_of(
                node.items[0].context_expr
            ):
                return frame.source, node
            if isinstance(node, ast.FunctionDef):
                break
    return None


def _header(source: Source, block: ast.With) -> str:
    return f"with {source.text_of(block.items[0].context_expr)}"


@rule(
    "an initializer receives a parameter",
    stays_quiet="about values that are not attributes of layers",
)
def initialized_none(evidence: Evidence) -> Iterator[Finding]:
    """Find `nn.init` and in-place changes of a bias that the layer does not have."""
    frame = require_failure(evidence, AttributeError, TypeError)
    for node in _attributes(frame):
        owner = value_of(node.value, frame.scope)
        if not isinstance(owner, nn.Module) or value_of(node, frame.scope) is not None:
            continue
        if node.attr not in owner._parameters:  # noqa: SLF001  (a parameter that is None is only there)
            continue
        statement, text = frame.statement, frame.source.text_of(node)
        header = f"if {text} is not None:"
        yield Finding(
            kind="none/parameter_that_is_none",
            message=f"`{text}` is None: this {type(owner).__name__} was built with "
            f"{node.attr}=False",
            evidence=f"`{owner}` has no {node.attr}; check for None first",
            cause=frame_location(frame),
            subject=text,
            candidates=candidates((0, partial(edits.wrap, frame.source, statement, header)))
            if statement
            else (),
            confidence=10,
        )
        return


def _attributes(frame: UserFrame) -> list[ast.Attribute]:
    found = ast.walk(frame.expression) if frame.expression else iter(())
    return [n for n in found if isinstance(n, ast.Attribute) and n.attr in {"bias", "weight"}]
