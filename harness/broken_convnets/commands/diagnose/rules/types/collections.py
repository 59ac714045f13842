"""A tensor is passed where a tensor is expected, not a tuple, a list or a dictionary of them."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.returns import callee_of
from broken_convnets.commands.diagnose.analysis.user_frames import value_of
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.names.library_methods import has_another_method
from broken_convnets.commands.diagnose.rules.types.arrays import as_tensors, passed_at
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.observe.recorder.passes import running_modules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.culprits import Culprit
    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

COLLECTIONS = {"tuple", "list", "dict", "OrderedDict"}
COLLECTIONS |= {"max", "min", "sort", "topk", "median", "ndarray"}
MAPPINGS = {"dict", "OrderedDict"}
Attempt = tuple[int, "Callable[[], Patch]"]


@rule(
    "a value is not wrapped in a tuple by a comma at the end of its line",
    stays_quiet="about tuples with more than one item",
)
def trailing_comma(evidence: Evidence) -> Iterator[Finding]:
    """Find `x = f(x),` and `return x,`, which make a tuple with one item."""
    frame = require_failure(evidence)
    for one in evidence.culprits:
        found = _tuple_of_one(evidence, one)
        if found is None:
            continue
        source, node = found
        text = source.text_of(node.elts[0])
        yield Finding(
            kind="none/trailing_comma_tuple",
            message=f"the comma after `{shortened(text)}` makes a tuple with one item",
            evidence=f"`{one.text}` is therefore a tuple where a tensor is expected",
            cause=Location(source.path, node.lineno),
            symptom=frame_location(frame),
            subject=text,
            cases=("none/trailing_comma_tuple",),
            candidates=candidates((0, partial(edits.replace, source, [(node, text)]))),
            confidence=10,
        )
        return


def _tuple_of_one(evidence: Evidence, one: Culprit) -> tuple[Source, ast.Tuple] | None:
    """Return the tuple with one item that a value is, or that a function returned."""
    origin = one.origin
    if one.type != "tuple" or origin.item is not None:
        return None
    if isinstance(origin.node, ast.Call):
        called = callee_of(evidence, origin.node, origin.scope)
        values = [statement.value for statement in called.returned] if called else []
        single = next((v for v in values if _has_one_item(v)), None)
        return (called.source, single) if called and isinstance(single, ast.Tuple) else None
    if isinstance(origin.node, ast.Tuple) and _has_one_item(origin.node):
        return origin.source, origin.node
    return None


def _has_one_item(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Tuple) and len(node.elts) == 1


@rule(
    "a tensor is taken out of a collection before it is used",
    stays_quiet="about collections that functions accept",
)
def collection_as_tensor(evidence: Evidence) -> Iterator[Finding]:
    """Find tuples, lists and dictionaries that are used like the tensors inside them."""
    frame = require_failure(evidence)
    if isinstance(evidence.error, IndexError) or has_another_method(evidence):
        return  # a collection was indexed, and is too short, or has a method of another name
    if frame.call and isinstance(frame.value(frame.call.func), type):
        return  # constructors accept collections
    if "Sizes of tensors must match" in evidence.message:
        return  # torch.cat and the like accept lists
    for one in evidence.culprits:
        known = one.type in COLLECTIONS or isinstance(one.value, tuple)
        if not known or one.called or one.text == "self":
            continue
        if _tuple_of_one(evidence, one) or _is_state(one) or _is_converted(frame, one):
            continue
        output = isinstance(one.origin.node, ast.Call) and not one.origin.looped
        if one.type == "ndarray" or (output and not _is_output(evidence, one)):
            output = False
        text = shortened(one.origin.source.text_of(one.origin.node))
        where = _where(one)
        yield Finding(
            kind="none/aux_output_tuple" if output else "none/non_tensor_input",
            message=f"`{one.text}` is of type {one.type}, not a tensor",
            evidence=f"{_contents(one)}it comes from `{text}`",
            cause=where or frame_location(frame),
            symptom=frame_location(frame),
            subject=one.text,
            cases=("none/aux_output_tuple_in_loss" if output else "none/labels_left_in_batch",),
            candidates=candidates(*_attempts(evidence, one)),
            confidence=9,
        )
        return


def _is_state(one: Culprit) -> bool:
    """Return whether a mapping is a state_dict or a checkpoint."""
    call = one.origin.node
    return isinstance(call, ast.Call) and called_name(call) in {"load", "state_dict"}


def _is_converted(frame: UserFrame, one: Culprit) -> bool:
    """Return whether an array is what `torch.from_numpy()` or `torch.tensor()` is given."""
    makes = frame.call is not None and called_name(frame.call) in {"from_numpy", "tensor"}
    return makes and one.type == "ndarray"


def _is_output(evidence: Evidence, one: Culprit) -> bool:
    """Return whether a collection is what a layer or a function of the program returned."""
    call = one.origin.node
    if not isinstance(call, ast.Call):
        return False
    called = value_of(call.func, one.origin.scope)
    known = callee_of(evidence, call, one.origin.scope) is not None
    return isinstance(called, nn.Module) or known or one.type not in {"list", "dict"}


def _where(one: Culprit) -> Location | None:
    """Return the line that binds the collection; None if it is used where it is computed."""
    if one.origin.statement is one.frame.statement or one.origin.statement is None:
        return None
    return Location(one.origin.source.path, one.origin.statement.lineno)


def _contents(one: Culprit) -> str:
    value = one.value
    if isinstance(value, tuple | list) and value:
        shapes = [list(v.shape) if isinstance(v, torch.Tensor) else type(v).__name__ for v in value]
        return f"it has {len(value)} items, the first {shapes[0]}; "
    if isinstance(value, dict) and value:
        return f"its keys are {', '.join(map(repr, list(value)[:4]))}; "
    return ""


def _attempts(evidence: Evidence, one: Culprit) -> Iterator[Attempt]:
    source, node, statement = one.frame.source, one.node, one.origin.statement
    if one.type == "ndarray":
        source, node = passed_at(evidence, one)
        for rank, new in enumerate(as_tensors(source.text_of(node), one.value)):
            yield rank, partial(edits.replace, source, [(node, new)])
        return
    if one.type in MAPPINGS:
        for rank, key in enumerate(_float_keys(one.value)):
            yield rank, partial(edits.replace, source, [(node, f"{one.text}[{key!r}]")])
        return
    parts = _parts(one)
    if parts == "stack":
        for rank, function in enumerate(("torch.stack", "torch.cat")):
            made, text = one.origin.node, one.origin.source.text_of(one.origin.node)
            if isinstance(made, ast.List | ast.ListComp):
                new = f"{function}({text})"
                yield rank, partial(edits.replace, one.origin.source, [(made, new)])
            yield rank + 2, partial(edits.replace, source, [(node, f"{function}({one.text})")])
        return
    size = len(one.value) if isinstance(one.value, tuple | list) else 2
    target = _target(statement)
    if target is not None and isinstance(target, ast.Name) and isinstance(node, ast.Name):
        rest = ", ".join([target.id, *["_"] * (size - 1)])
        yield 0, partial(edits.replace, one.origin.source, [(target, rest)])
    text = one.text
    yield 1, partial(edits.replace, source, [(node, f"{text}[0]")])
    yield 2, partial(edits.replace, source, [(node, f"{text}[1]")])
    yield 2, partial(edits.replace, source, [(node, f"{text}[-1]")])


def _target(statement: ast.stmt | None) -> ast.expr | None:
    """Return what a statement binds, if that is one thing."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        return statement.targets[0]
    return statement.target if isinstance(statement, ast.For) else None


def _parts(one: Culprit) -> str:
    """Return `stack` for a list of tensors that the program has collected itself."""
    items = one.value if isinstance(one.value, list) else []
    display = isinstance(one.origin.node, ast.List | ast.ListComp)
    tensors = bool(items) and all(isinstance(item, torch.Tensor) for item in items)
    alike = tensors and len({item.shape for item in items}) == 1
    return "stack" if display or (alike and not one.origin.looped) else ""


def _float_keys(value: object) -> list[object]:
    """Return the keys whose values are tensors of floats, else all; the first three."""
    items = value if isinstance(value, dict) else {}
    floats = [k for k, v in items.items() if isinstance(v, torch.Tensor) and v.is_floating_point()]
    return (floats or list(items))[:3]


@rule(
    "a layer in a Sequential returns one tensor to the next",
    stays_quiet="if the failing layer is not in a Sequential",
)
def tuple_inside_sequential(evidence: Evidence) -> Iterator[Finding]:
    """Find LSTM and attention layers in a Sequential, whose tuples reach the next layer."""
    frame = require_failure(evidence, TypeError, AttributeError, RuntimeError)
    running = running_modules(evidence.error) if evidence.error else []
    if len(running) < 2 or not isinstance(running[-2], nn.Sequential):  # noqa: PLR2004  (a layer in another)
        return
    children = list(running[-2])
    position = next((i for i, child in enumerate(children) if child is running[-1]), 0)
    before = children[position - 1] if position else None
    if not isinstance(before, nn.RNNBase | nn.MultiheadAttention):
        return
    built = evidence.record.construction(before)
    places = built.places if built else ()
    yield Finding(
        kind="none/aux_output_tuple",
        message=f"{type(before).__name__} returns a tuple, and nn.Sequential passes it on whole",
        evidence=f"the next layer, {type(running[-1]).__name__}, expects a tensor",
        cause=Location(places[0].file, places[0].line) if places else frame_location(frame),
        symptom=frame_location(frame),
        subject=type(before).__name__,
        confidence=10,
    )
