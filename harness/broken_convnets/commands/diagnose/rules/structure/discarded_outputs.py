"""What an expression computes is used: assigned, returned or written in place."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, require_success
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator

# Methods of tensors that return a changed copy, often called as if they worked in place.
MOVES = frozenset({"to", "cuda", "cpu", "float", "half", "double", "long", "int", "bool"})
COPIES = frozenset(
    {"view", "reshape", "permute", "transpose", "squeeze", "unsqueeze", "flatten", "clamp", "clip"}
    | {"sub", "add", "mul", "div", "sqrt", "exp", "log", "abs", "softmax", "sigmoid", "relu"}
    | {"normalize", "masked_fill", "contiguous", "type", "expand", "repeat", "flip", "roll"}
)
STATISTICS = ("BatchNorm", "InstanceNorm", "SyncBatchNorm")  # layers that update buffers


@rule(
    "the output of an operator or a layer is used",
    stays_quiet="about calls that write to a tensor, calls of whole networks, calls of layers "
    "that the user defines, and outside of forward() about values that are not read again",
)
def output_discarded(evidence: Evidence) -> Iterator[Finding]:
    """Find statements that are nothing but a call whose output is lost."""
    require_success(evidence)
    judged: dict[Place, bool] = {}
    for operator in evidence.record.operators:
        place = operator.place
        counts = operator.layer.startswith(STATISTICS) and operator.name == "add_"
        if place is not None and judged.get(place, True) and not counts:
            judged[place] = _has_no_effect(operator)
    operators = {o.place: o for o in evidence.record.operators if o.outputs}
    for place in (one for one, lost in judged.items() if lost):
        source = evidence.source(place.file)
        call = source.expression_at(place) if source else None
        statement = source.parent(call) if source and call else None
        if source is None or not isinstance(call, ast.Call) or not isinstance(statement, ast.Expr):
            continue
        if _matches(call, place) and _is_mistake(source, call, statement, operators[place]):
            yield _finding(source, call, statement, operators[place])


def _has_no_effect(operator: Operator) -> bool:
    """Return whether an operator does nothing but to return tensors."""
    changed = operator.changed and not operator.layer.startswith(STATISTICS)
    if changed or operator.raised or not operator.outputs or not operator.inputs:
        return False
    same = any(value in operator.inputs for value in operator.outputs)
    return not operator.name.endswith("_") and (not same or operator.name in MOVES)


def _matches(call: ast.Call, place: Place) -> bool:
    exact = (call.lineno, call.end_lineno, call.col_offset, call.end_col_offset)
    return exact == (place.line, place.end_line, place.column, place.end_column)


def _is_mistake(source: Source, call: ast.Call, statement: ast.Expr, operator: Operator) -> bool:
    function = source.function_of(statement)
    in_forward = bool(operator.layer) and function is not None
    name = called_name(call)
    if not in_forward and name not in MOVES | COPIES:
        return False
    subject = _subject(call, is_layer=in_forward)
    return bool(subject) and (in_forward or _is_read_again(source, statement, subject))


def _subject(call: ast.Call, *, is_layer: bool) -> str:
    """Return the variable that was meant to change: `x` in `self.act(x)` and in `x.to(device)`."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    of_tensor = isinstance(owner, ast.Name) and not (call.args and owner.id in {"F", "torch"})
    if called_name(call) in MOVES | COPIES and of_tensor and isinstance(owner, ast.Name):
        return owner.id
    first = call.args[0] if call.args else None
    return first.id if isinstance(first, ast.Name) and (is_layer or owner is not None) else ""


def _is_read_again(source: Source, statement: ast.Expr, name: str) -> bool:
    scope = source.function_of(statement) or source.tree
    return any(
        isinstance(node, ast.Name)
        and node.id == name
        and isinstance(node.ctx, ast.Load)
        and node.lineno > (statement.end_lineno or statement.lineno)
        for node in ast.walk(scope)
    )


def _finding(source: Source, call: ast.Call, statement: ast.Expr, operator: Operator) -> Finding:
    text = source.text_of(call)
    moves = called_name(call) in {"to", "cuda"} and not operator.layer
    shape = operator.outputs[-1]
    return Finding(
        kind="device/input_on_cpu" if moves else "training/layer_output_discarded",
        message=f"the output of {text} is discarded",
        evidence=f"{operator.name} returns a new tensor {shape} and changes no other: "
        "the statement has no effect",
        cause=Location(source.path, statement.lineno),
        subject=text,
        cases=("module/discarded_layer_output",),
        candidates=_assigned(source, call, statement, is_layer=bool(operator.layer)),
        confidence=8,
    )


def _assigned(
    source: Source, call: ast.Call, statement: ast.Expr, *, is_layer: bool
) -> tuple[Candidate, ...]:
    name = _subject(call, is_layer=is_layer)
    new = f"{name} = {source.text_of(call)}"
    return candidates((0, partial(edits.replace, source, [(statement, new)])))
