"""The operator that failed, its tensors, and where to convert them to another dtype."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.origins import origin_of
from broken_convnets.commands.diagnose.analysis.returns import computed_by
from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame, operands
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.origins import Origin
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

Attempt = tuple[int, "Callable[[], Patch]"]
METHODS = {
    torch.float32: "float",
    torch.float64: "double",
    torch.float16: "half",
    torch.bfloat16: "bfloat16",
    torch.int64: "long",
}


def failed_operator(evidence: Evidence) -> Operator | None:
    """Return the operator that raised the exception; None if it was not an operator."""
    operators = list(evidence.record.operators)[-8:]
    return next((one for one in reversed(operators) if one.raised), None)


def name_of(dtype: torch.dtype) -> str:
    """Return `float64` for torch.float64."""
    return str(dtype).removeprefix("torch.")


@dataclass(frozen=True)
class Operand:
    """A tensor of a failing expression: its syntax, its value in the record, and its origin."""

    index: int  # of the frame, from the innermost
    frame: UserFrame
    node: ast.expr
    value: Value
    origin: Origin

    @property
    def text(self) -> str:
        """The source text."""
        return self.frame.source.text_of(self.node)


def operand_of(evidence: Evidence, value: Value, index: int = 0) -> Operand | None:
    """Return the expression of a tensor among the operands of the failing expression.

    If none can be read, the only argument of a call is it.
    """
    if index >= len(evidence.frames):
        return None
    frame = evidence.frames[index]
    nodes = [n for n in operands(frame.expression) if not isinstance(n, ast.Constant)]
    for node in nodes:
        tensor = frame.value(node)
        if isinstance(tensor, torch.Tensor) and _is_same(tensor, value):
            return Operand(index, frame, node, value, produced(evidence, index, node))
    arguments = list(frame.call.args) if frame.call else []
    calls = [n for n in arguments if isinstance(n, ast.Call | ast.BinOp | ast.Subscript)]
    if len(calls) == 1:
        return Operand(index, frame, calls[0], value, produced(evidence, index, calls[0]))
    return None


def produced(evidence: Evidence, index: int, node: ast.expr) -> Origin:
    """Return the origin of an expression, inside the functions of the program that computed it."""
    return computed_by(evidence, origin_of(evidence, index, node))


BLANK = ("zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like")


def is_computed(origin: Origin) -> bool:
    """Return whether an origin computes a tensor, and does not only allocate or receive it."""
    if origin.looped or origin.item is not None:
        return False
    calls = [n for n in ast.walk(origin.node) if isinstance(n, ast.Call)]
    blank = any(called_name(call) in BLANK for call in calls)
    return isinstance(origin.node, ast.Call | ast.BinOp | ast.Subscript) and not blank


def _is_same(tensor: torch.Tensor, value: Value) -> bool:
    same = tuple(tensor.shape) == value.shape and tensor.dtype is value.dtype
    return same and tensor.device == value.device


def outer_operand(evidence: Evidence, inner: Operand) -> Operand:
    """Return the outermost argument on the way to a value, of a frame that passes it on whole."""
    found = inner
    for index in range(inner.index + 1, len(evidence.frames)):
        frame = evidence.frames[index]
        for node in frame.call.args if frame.call else []:
            tensor = frame.value(node)
            if isinstance(tensor, torch.Tensor) and _is_same(tensor, inner.value):
                origin = produced(evidence, index, node)
                found = Operand(index, frame, node, inner.value, origin)
    return found


def cast(text: str, method: str) -> str:
    """Return the text of an expression with a conversion appended."""
    simple = text.replace(".", "").replace("_", "").isalnum() or text.endswith((")", "]"))
    return f"{text}.{method}" if simple else f"({text}).{method}"


def conversions(evidence: Evidence, one: Operand, method: str) -> Iterator[Attempt]:
    """Yield the changes that convert a tensor where it is computed, passed, and used.

    A float32 tensor is right where it is computed.
    """
    origin, outer = one.origin, outer_operand(evidence, one)
    if is_computed(origin) and one.value.dtype is not torch.float32:
        yield 0, partial(_converted, origin.source, origin.node, method)
    for source in {frame.source.path: frame.source for frame in evidence.frames}.values():
        for node in source.expressions:
            if isinstance(node, ast.Call) and source.text_of(node.func).endswith("from_numpy"):
                yield 1, partial(_converted, source, node, method)
    yield 1, partial(_converted, outer.frame.source, outer.node, method)
    yield 2, partial(_converted, one.frame.source, one.node, method)


def _converted(source: Source, node: ast.expr, method: str) -> Patch:
    return edits.replace(source, [(node, applied(source, node, method))])


def applied(source: Source, node: ast.expr, method: str) -> str:
    """Return the text of an expression with a method's call appended, in parentheses if needed."""
    text = source.text_of(node)
    simple = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
    return f"{text if simple else f'({text})'}.{method}"
