"""The user's expression for a tensor at the call that raised, and changes that wrap it."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.analysis.sizes.lineage import chain
from broken_convnets.commands.diagnose.edits import replace
from broken_convnets.commands.diagnose.findings import Location
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant)
FUNCTIONS = {"torch", "F", "functional", "nn"}  # that name a module whose functions are called


def wrapped(source: Source, node: ast.expr, template: str) -> Change:
    """Return the change of an expression into `template`, where it stands for `{}`."""
    text = source.text_of(node)
    if template.startswith("{}") and not isinstance(node, ATOMS):
        text = f"({text})"
    return partial(replace, source, [(node, template.replace("{}", text))])


def operands(source: Source, node: ast.expr | None) -> list[ast.expr]:
    """Return the parts of an expression that may be tensors, in the order of the operator's."""
    if isinstance(node, ast.Call):
        found = [*node.args, *(keyword.value for keyword in node.keywords)]
        receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
        if receiver is not None and is_tensor_method(source, node):
            found.insert(0, receiver)
        return [part for one in found for part in _items(one)]
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    return [node] if node is not None else []


def _items(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.List | ast.Tuple):
        return list(node.elts)
    return [node.value] if isinstance(node, ast.Starred) else [node]


def is_tensor_method(source: Source, call: ast.Call) -> bool:
    """Return whether a call looks like a tensor's method: not `torch.f(...)`, not `self.f(...)`."""
    function = call.func
    if not isinstance(function, ast.Attribute):
        return False
    receiver = source.text_of(function.value).rpartition(".")[2]
    return receiver not in FUNCTIONS and receiver != "self" and hasattr(torch.Tensor, function.attr)


def shape_in(frame: UserFrame, node: ast.expr) -> tuple[int, ...] | None:
    """Return the shape of the value of a name or an attribute; None if that is not a tensor."""
    found = frame.value(node)
    return tuple(found.shape) if isinstance(found, torch.Tensor) else None


def expression_of(
    evidence: Evidence, failed: FailedCall, value: Value
) -> tuple[Source, ast.expr] | None:
    """Return the expression of a tensor at the user's innermost call; None if it is unclear."""
    if not failed.frames:
        return None
    one = failed.frames[0]
    source = evidence.source(one.place.file)
    node = source.expression_at(one.place) if source else None
    if source is None or node is None:
        return None
    parts = operands(source, node)
    known = [part for part in parts if shape_in(one, part) == value.shape]
    open_ones = [p for p in parts if isinstance(p, ATOMS) and not isinstance(p, ast.Constant)]
    unknown = [p for p in open_ones if shape_in(one, p) is None]
    found = known or (unknown if len(unknown) == 1 else unknown[:1] if len(parts) == 1 else [])
    if not found and isinstance(node, ast.Call) and len(node.args) == 1:
        found = [node.args[0]]
    return (source, found[0]) if found else None


def wrap_failing(
    evidence: Evidence, failed: FailedCall, value: Value, template: str
) -> list[Change]:
    """Return the change that wraps a tensor at the user's innermost call."""
    found = expression_of(evidence, failed, value)
    return [wrapped(*found, template)] if found else []


def wrap_network(evidence: Evidence, failed: FailedCall, template: str) -> list[Change]:
    """Return the change that wraps the only argument of the call of the network."""
    place = _network_place(evidence)
    source = evidence.source(place.file) if place else None
    call = source.call_at(place) if source and place else None
    if source is None or call is None or place not in failed.places or len(call.args) != 1:
        return []
    if isinstance(call.args[0], ast.Starred):
        return []
    return [wrapped(source, call.args[0], template)]


def _network_place(evidence: Evidence) -> Place | None:
    latest = evidence.record.last_pass
    return latest.places[0] if latest and latest.places else None


def network_location(evidence: Evidence) -> Location | None:
    """Return the line that calls the network."""
    place = _network_place(evidence)
    return Location(place.file, place.line) if place else None


def is_network_input(evidence: Evidence, value: Value) -> bool:
    """Return whether a value is an argument of the network's call, unchanged."""
    latest = evidence.record.last_pass
    return latest is not None and value in latest.received


def comes_from_input(evidence: Evidence, value: Value) -> bool:
    """Return whether a value is an argument of the network's call, normalized at most."""
    latest, found = evidence.record.last_pass, value
    for operator in chain(evidence.record, value):
        if latest is not None and found in latest.received:
            return True
        before = next((v for v in operator.inputs if v.shape == value.shape), None)
        if not operator.layer or before is None:
            return False
        found = before
    return latest is not None and found in latest.received


def _origins(evidence: Evidence, value: Value) -> Iterator[tuple[Operator, Source, ast.Call]]:
    """Yield the operators outside of any module that the user calls to make a value.

    Those of a network that change no size, as a normalization of images does, are passed over.
    """
    for operator in chain(evidence.record, value):
        if operator.layer:
            if operator.outputs and operator.outputs[0].shape != value.shape:
                return
            continue
        found = operator_call(evidence, operator)
        if found:
            yield operator, *found


def origin_location(evidence: Evidence, value: Value) -> Location | None:
    """Return the line where the user makes a value, outside of any module."""
    for _, source, call in _origins(evidence, value):
        return Location(source.path, call.lineno)
    calls = list(array_calls(evidence))
    return Location(calls[0][0].path, calls[0][1].lineno) if len(calls) == 1 else None


def wrap_origin(evidence: Evidence, value: Value, templates: Mapping[int, str]) -> list[Change]:
    """Return the change of a value where the user makes it, with the template for its rank."""
    for operator, source, call in _origins(evidence, value):
        rank = len(operator.outputs[0].shape) if operator.outputs else 0
        if rank in templates:
            return [wrapped(source, call, templates[rank])]
    return [
        wrapped(source, call, template)
        for source, call in array_calls(evidence)
        for template in templates.values()
    ]


def array_calls(evidence: Evidence) -> Iterator[tuple[Source, ast.Call]]:
    """Yield the calls outside of networks that turn NumPy arrays into tensors."""
    for source in evidence.user_sources:
        for node in source.expressions:
            if isinstance(node, ast.Call) and called_name(node) == "from_numpy":
                yield source, node


def wrap_failing_call(
    evidence: Evidence, failed: FailedCall, value: Value, template: str, around: str
) -> list[Change]:
    """Return the change that wraps a tensor at the user's innermost call, and the call itself."""
    found = expression_of(evidence, failed, value)
    source = found[0] if found else None
    call = source.call_at(failed.places[0]) if source else None
    if found is None or source is None or call is None or found[1] is call:
        return []
    node = found[1]
    before, after = source.text_of(call), source.text_of(node)
    if f"({after}" not in before:
        return []
    text = around.replace("{}", before.replace(f"({after}", f"({template.replace('{}', after)}", 1))
    return [partial(replace, source, [(call, text)])]


def operator_call(evidence: Evidence, operator: Operator) -> tuple[Source, ast.Call] | None:
    """Return the call of an operator that the user's own code calls."""
    place = operator.place
    source = evidence.source(place.file) if place else None
    call = source.call_at(place) if source and place else None
    if source is None or call is None or called_name(call) != operator.name:
        return None
    return source, call


def without(evidence: Evidence, operator: Operator) -> list[Change]:
    """Return the change that leaves an operator out: `x.unsqueeze(0)` becomes `x`."""
    found = operator_call(evidence, operator)
    if found is None:
        return []
    source, call = found
    parts = operands(source, call)
    return [partial(replace, source, [(call, source.text_of(parts[0]))])] if parts else []
