"""The input of a layer has the dtype of its parameters."""

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
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import (
    METHODS,
    Operand,
    conversions,
    failed_operator,
    is_computed,
    name_of,
    operand_of,
    outer_operand,
)
from broken_convnets.commands.diagnose.rules.dtypes.data_sets import doubles, loaded_place
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

Attempt = tuple[int, "Callable[[], Patch]"]
REDUCED = {torch.float16, torch.bfloat16}
LOSSES = ("loss", "cross_entropy", "kl_div")


@rule(
    "the input of a layer has the dtype of its parameters",
    stays_quiet="if all tensors of the failing operator have one dtype",
)
def input_dtype(evidence: Evidence) -> Iterator[Finding]:
    """Find double, half-precision, integer and uint8 inputs of layers with float parameters."""
    frame = require_failure(evidence, RuntimeError, NotImplementedError)
    operator = failed_operator(evidence)
    if operator is None or any(part in operator.name for part in LOSSES):
        return
    given, weight = _mismatch(operator)
    if given is None or weight is None:
        return
    one = operand_of(evidence, given)
    conversion = _converted_network(evidence, weight.dtype)
    attempts = list(_attempts(evidence, one, given, weight)) if one else []
    attempts += list(_unconverted(*conversion)) if conversion else []
    where = _cause(evidence, one) if given.dtype not in REDUCED else None
    asked = list(doubles(evidence)) if given.dtype is torch.float64 else []
    attempts += [(0, partial(edits.replace, s, [(node, text)])) for s, node, text in asked]
    if len(asked) == 1:
        where = Location(asked[0][0].path, asked[0][1].lineno)
    yield Finding(
        kind=_kind(given.dtype, weight.dtype),
        message=f"{operator.name} receives {name_of(given.dtype)}, and its parameters are "
        f"{name_of(weight.dtype)}",
        evidence=f"`{shortened(one.text)}` is {given}; "
        f"it comes from `{shortened(one.origin.source.text_of(one.origin.node))}`"
        if one
        else f"the input is {given}, the weight {weight}",
        cause=where or frame_location(frame),
        symptom=frame_location(frame),
        subject=operator.name,
        cases=(_case(given.dtype),),
        candidates=candidates(*attempts),
        confidence=9,
    )


def _mismatch(operator: Operator) -> tuple[Value | None, Value | None]:
    """Return the input and a parameter of another dtype."""
    weights = [value for value in operator.inputs if value.parameter]
    given = [value for value in operator.inputs if not value.parameter]
    if not weights or not given or given[0].dtype is weights[0].dtype:
        return None, None
    return given[0], weights[0]


def _kind(given: torch.dtype, weight: torch.dtype) -> str:
    if torch.bfloat16 in {given, weight}:
        return "dtype/bf16_vs_float"
    if torch.float16 in {given, weight}:
        return "dtype/half_vs_float"
    if given is torch.uint8:
        return "dtype/uint8_input"
    return "dtype/float64_numpy_input" if given is torch.float64 else "dtype/input_dtype"


def _case(given: torch.dtype) -> str:
    if given is torch.float64:
        return "dtype/float64_images"
    if given is torch.uint8:
        return "dtype/uint8_images"
    return "dtype/half_model_float32_images" if given.is_floating_point else "dtype/integer_images"


def _cause(evidence: Evidence, one: Operand | None) -> Location | None:
    """Return where the tensor is computed, or the outermost line that passes it on."""
    if one is None:
        return None
    if is_computed(one.origin) and one.value.dtype is not torch.float32:
        return origin_location(one.origin)
    loaded = loaded_place(evidence, one.origin, 0)
    if loaded is not None and one.value.dtype is torch.float64:
        return loaded
    return frame_location(outer_operand(evidence, one).frame)


def _attempts(evidence: Evidence, one: Operand, given: Value, weight: Value) -> Iterator[Attempt]:
    method = METHODS.get(weight.dtype)
    if method is None:
        return
    if given.dtype in REDUCED or weight.dtype in REDUCED:
        yield from _into_autocast(one)
    scale = " / 255" if given.dtype is torch.uint8 else ""
    if scale and not isinstance(one.origin.node, ast.Call):
        outer = outer_operand(evidence, one)
        text = f"{outer.text}.{method}(){scale}"
        yield 0, partial(edits.replace, outer.frame.source, [(outer.node, text)])
    yield from conversions(evidence, one, f"{method}(){scale}")


def _into_autocast(one: Operand) -> Iterator[Attempt]:
    """Yield the change that moves the failing statement into the autocast block before it."""
    source = one.frame.source
    for statement in (one.frame.statement, *(source.ancestors(one.node))):
        if not isinstance(statement, ast.stmt) or isinstance(statement, ast.FunctionDef):
            continue
        block = source.block_of(statement)
        before = [s for s in block if s.lineno < statement.lineno]
        last = before[-1] if before else None
        if isinstance(last, ast.With) and "autocast" in source.text_of(last.items[0].context_expr):
            inner = edits.indentation(source, last.body[0])
            yield 0, partial(_moved_into, source, statement, inner)
        return


def _moved_into(source: Source, statement: ast.stmt, indentation: str) -> Patch:
    lines = list(source.lines)
    old = edits.indentation(source, statement)
    for number in range(statement.lineno - 1, statement.end_lineno or statement.lineno):
        lines[number] = indentation + lines[number][len(old) :]
    return {source.path: "\n".join(lines)}


def _converted_network(evidence: Evidence, dtype: torch.dtype) -> tuple[Source, ast.Call] | None:
    """Return the call that converts a network to the dtype of the parameters."""
    method = METHODS.get(dtype)
    if dtype is torch.float32 or method is None:
        return None
    for frame in evidence.frames:
        for node in frame.source.expressions:
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr == method and not node.args:
                value = frame.value(node.func.value)
                if isinstance(value, nn.Module) or isinstance(node.func.value, ast.Call):
                    return frame.source, node
    return None


def _unconverted(source: Source, call: ast.Call) -> Iterator[Attempt]:
    statement = source.statement_of(call)
    if isinstance(statement, ast.Expr) and statement.value is call:
        yield 3, partial(edits.delete, source, statement)
    elif isinstance(call.func, ast.Attribute):
        yield 3, partial(edits.replace, source, [(call, source.text_of(call.func.value))])
