"""A number, or a truth value, is taken from a tensor of one element."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failing import construction_of
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.moves import computed_by_operator
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import applied, failed_operator
from broken_convnets.commands.diagnose.sites import candidates, location_in, site_of
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

Attempt = tuple[int, "Callable[[], Patch]"]
NUMBERS = {"item", "__float__", "__int__", "__index__", "__complex__"}
MESSAGES = ("cannot be converted to Scalar", "only one element tensors", "only integer tensors of")


@rule(
    "a Python number is taken from a tensor of one element",
    stays_quiet="about arrays of NumPy",
)
def number_of_several_elements(evidence: Evidence) -> Iterator[Finding]:
    """Find item() and float() of a loss for each sample, and of a comparison of a batch."""
    frame = require_failure(evidence, RuntimeError, ValueError, TypeError)
    operator = failed_operator(evidence)
    if operator is None or operator.name not in NUMBERS or operator.place != frame.place:
        return
    node = _converted(frame)
    if node is None or not any(text in evidence.message for text in MESSAGES):
        return
    value, text = operator.inputs[0], frame.source.text_of(node)
    unreduced = _unreduced(evidence, value)
    count = 1
    for size in value.shape:
        count *= size
    yield Finding(
        kind="loss/backward_on_a_vector" if unreduced else "loss",
        message=f"`{shortened(text)}` has {count} elements, and a number needs one",
        evidence=f"it is {value}: {_reason(unreduced, value)}",
        cause=location_in(unreduced.source, unreduced.call) if unreduced else frame_location(frame),
        symptom=frame_location(frame),
        subject=shortened(text),
        cases=("loss/backward_on_per_image_loss",) if unreduced else (),
        candidates=candidates(*_numbers(frame, node, value, unreduced)),
        confidence=10,
    )


def _converted(frame: UserFrame) -> ast.expr | None:
    """Return the tensor in `x.item()` or `float(x)`."""
    call = frame.call
    if call is None:
        return None
    if isinstance(call.func, ast.Attribute) and call.func.attr == "item":
        return call.func.value
    plain = isinstance(call.func, ast.Name) and call.func.id in {"float", "int", "complex"}
    return call.args[0] if plain and len(call.args) == 1 else None


def _reason(unreduced: Site | None, value: Value) -> str:
    if unreduced is not None:
        return f'reduction="none" at line {unreduced.call.lineno} keeps a loss for each sample'
    if value.dtype is torch.bool:
        return "whether each element is true; count them with sum(), or take their mean()"
    return "reduce it first, such as with mean() or sum()"


def _unreduced(evidence: Evidence, value: Value) -> Site | None:
    """Return the call that asks for a loss without reduction, if nothing else reads the loss."""
    operator = computed_by_operator(evidence, value)
    if operator is None or operator.literals.get("reduction") != "none":
        return None
    used = [one for one in evidence.record.consumers(value) if one.name not in NUMBERS]
    site = _asks(evidence, operator)
    return None if used or site is None else site


def _asks(evidence: Evidence, operator: Operator) -> Site | None:
    """Return the call with `reduction="none"`: of the function, or of the module's constructor."""
    owner = operator.owner() if operator.owner is not None else None
    built = construction_of(evidence.record, owner) if owner is not None else None
    for places in (built.places if built else (), operator.places):
        site = site_of(evidence, places)
        given = argument(site.call, "reduction") if site else None
        if site and isinstance(given, ast.Constant) and given.value == "none":
            return site
    return None


def _numbers(
    frame: UserFrame, node: ast.expr, value: Value, unreduced: Site | None
) -> Iterator[Attempt]:
    source = frame.source
    given = argument(unreduced.call, "reduction") if unreduced else None
    if unreduced and given is not None:
        yield 0, partial(edits.replace, unreduced.source, [(given, '"mean"')])
    methods = ["mean()" if value.dtype.is_floating_point else "sum()"]
    if value.dtype is torch.bool:
        added = isinstance(frame.statement, ast.AugAssign)
        methods = ["sum()", "float().mean()"] if added else ["float().mean()", "sum()"]
    taken = frame.call is not None and not frame.call.args
    whole = frame.call if taken and frame.call is not None else node
    for rank, method in enumerate(methods):
        new = applied(source, node, method) + (".item()" if taken else "")
        yield rank + 1, partial(edits.replace, source, [(whole, new)])


@rule(
    "a condition is one truth value, not one for each element of a tensor",
    stays_quiet="about arrays of NumPy",
)
def condition_of_several_elements(evidence: Evidence) -> Iterator[Finding]:
    """Find `if prediction == labels`, and `and` between masks."""
    frame = require_failure(evidence, RuntimeError)
    operator, node = failed_operator(evidence), frame.expression
    if operator is None or operator.name != "__bool__" or operator.place != frame.place:
        return
    if node is None or "is ambiguous" not in evidence.message or not operator.inputs:
        return
    if isinstance(node, ast.Call) and not _bounds(node):
        return  # the function that is called needs another argument
    shape, text = list(operator.inputs[0].shape), shortened(frame.source.text_of(node))
    attempts = list(_conditions(frame, node))
    yield Finding(
        kind="loss",
        message=f"`{text}` is a tensor of shape {shape}, and a condition needs one truth value",
        evidence="reduce it with all(), any() or sum(); `&`, `|` and torch.where work on each "
        "element",
        cause=frame_location(frame),
        subject=text,
        candidates=candidates(*attempts),
        confidence=10,
    )


def _conditions(frame: UserFrame, node: ast.expr) -> Iterator[Attempt]:
    """Yield the changes: count, work on each element, or reduce the condition."""
    source, text = frame.source, frame.source.text_of(node)
    parent = source.parent(node)
    counted = _counted(frame, node)
    if counted:
        yield 0, partial(edits.replace, source, [(parent, counted)])  # type: ignore[list-item]  # an If
    if isinstance(node, ast.BoolOp):
        symbol = " & " if isinstance(node.op, ast.And) else " | "
        each = symbol.join(f"({source.text_of(value)})" for value in node.values)
        yield 0, partial(edits.replace, source, [(node, each)])
    elif isinstance(node, ast.Call):
        other = source.text_of(node.args[1])
        new = applied(source, node.args[0], f"clamp({_bounds(node)}={other})")
        yield 0, partial(edits.replace, source, [(node, new)])
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield 1, partial(edits.replace, source, [(node, f"~{source.text_of(node.operand)}")])
    elif isinstance(parent, ast.IfExp) and parent.test is node:
        both = f"{source.text_of(parent.body)}, {source.text_of(parent.orelse)}"
        yield 0, partial(edits.replace, source, [(parent, f"torch.where({text}, {both})")])
    elif isinstance(node, ast.Compare | ast.Name | ast.Attribute):
        differs = isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.NotEq)
        first = "any()" if differs or not isinstance(node, ast.Compare) else "all()"
        yield 1, partial(edits.replace, source, [(node, applied(source, node, first))])
        yield 2, partial(edits.replace, source, [(node, applied(source, node, "any()"))])


def _bounds(call: ast.Call) -> str:
    """Return the argument of clamp() that stands for Python's max(x, y) or min(x, y)."""
    opposite = {"max": "min", "min": "max"}
    two = len(call.args) == 2 and not call.keywords  # noqa: PLR2004  (a tensor and its bound)
    return opposite.get(ast.unparse(call.func), "") if two else ""


def _counted(frame: UserFrame, node: ast.expr) -> str:
    """Return `right += (a == b).sum().item()` for `if a == b: right += 1`; else nothing."""
    source, parent = frame.source, frame.source.parent(node)
    if not isinstance(parent, ast.If) or parent.test is not node or parent.orelse:
        return ""
    only = parent.body[0] if len(parent.body) == 1 else None
    if not isinstance(only, ast.AugAssign) or not isinstance(only.op, ast.Add):
        return ""
    if not isinstance(only.value, ast.Constant) or only.value.value != 1:
        return ""
    text = applied(source, node, "sum().item()")
    return f"{source.text_of(only.target)} += {text}"
