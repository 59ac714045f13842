"""Containers of layers hold layers: not lists, classes, functions or None."""

from __future__ import annotations

import ast
from functools import partial
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.bindings import bindings
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.user_frames import UNKNOWN
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate

LAYERS = {"relu": "nn.ReLU()", "sigmoid": "nn.Sigmoid()", "tanh": "nn.Tanh()", "gelu": "nn.GELU()"}
LAYERS |= {"flatten": "nn.Flatten()", "softmax": "nn.Softmax(dim=1)"}


@rule(
    "a container of layers holds layers",
    stays_quiet="unless the constructor of the container itself fails",
)
def not_a_layer_in_container(evidence: Evidence) -> Iterator[Finding]:
    """Find lists, classes, functions and None among the layers of a Sequential or ModuleList."""
    frame = require_failure(evidence, TypeError)
    call = frame.call
    if call is None or not _constructs_container(frame, call):
        return
    for node in _items(frame, call):
        found = _wrong(frame, node) or _listed(evidence, frame, node)
        if found is None:
            continue
        kind, what, new, case = found
        text = shortened(frame.source.text_of(node))
        yield Finding(
            kind=kind,
            message=f"`{text}` is {what}, not a layer",
            evidence=f"`{frame.source.text_of(call.func)}` accepts layers only",
            cause=Location(frame.source.path, node.lineno),
            symptom=frame_location(frame),
            subject=text,
            cases=(case,),
            candidates=_replaced(frame, node, new),
            confidence=10,
        )
        return


def _constructs_container(frame: UserFrame, call: ast.Call) -> bool:
    called = frame.value(call.func)
    if isinstance(called, type):
        return issubclass(called, nn.Sequential | nn.ModuleList)
    parent = frame.source.class_of(call)
    text = frame.source.text_of(call.func)
    bases = (
        {frame.source.text_of(base).rpartition(".")[2] for base in parent.bases}
        if parent
        else set()
    )
    return text == "super().__init__" and bool(bases & {"Sequential", "ModuleList"})


def _items(frame: UserFrame, call: ast.Call) -> list[ast.expr]:
    """Return the expressions of the layers: the arguments, or the items of a ModuleList's list."""
    called = frame.value(call.func)
    listed = isinstance(called, type) and issubclass(called, nn.ModuleList)
    if listed and len(call.args) == 1 and isinstance(call.args[0], ast.List | ast.Tuple):
        return call.args[0].elts
    if listed:
        return [n for a in call.args for n in _collected(frame, a)]
    starred = [a.value for a in call.args if isinstance(a, ast.Starred)]
    plain = [a for a in call.args if not isinstance(a, ast.Starred)]
    return plain + [node for one in starred for node in _collected(frame, one)]


def _collected(frame: UserFrame, node: ast.expr) -> list[ast.expr]:
    """Return the expressions that a list of the failing function was made of and added to."""
    function = frame.function
    if isinstance(node, ast.List | ast.Tuple):
        return node.elts
    if not isinstance(node, ast.Name) or not isinstance(frame.value(node), list | tuple):
        return []
    body = function.body if function else frame.source.tree.body
    made = [b.value for b in bindings(body, node.id)]
    for part in ast.walk(function or frame.source.tree):
        if isinstance(part, ast.AugAssign) and frame.source.text_of(part.target) == node.id:
            made.append(part.value)
        elif isinstance(part, ast.Call) and _adds_to(part, node.id):
            made += [ast.List(part.args)] if called_name(part) == "append" else part.args
    return [item for one in made for item in getattr(one, "elts", [])]


def _adds_to(call: ast.Call, name: str) -> bool:
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    named = isinstance(owner, ast.Name) and owner.id == name
    return named and called_name(call) in {"append", "extend"} and len(call.args) == 1


def _wrong(frame: UserFrame, node: ast.expr) -> tuple[str, str, str, str] | None:
    """Return the kind, what it is, what to write instead, and a case; None for a layer."""
    value, text = frame.value(node), frame.source.text_of(node)
    collections = ast.List | ast.Tuple | ast.ListComp | ast.GeneratorExp
    if isinstance(node, collections) or isinstance(value, list | tuple | dict):
        case = "module/list_passed_to_sequential"
        return "training/sequential_list", "a list of layers", _unpacked(frame, node, value), case
    if isinstance(value, type):
        case = "module/layer_class_not_instantiated"
        return "training/constructor_vs_instance", "a class", f"{text}()", case
    if isinstance(value, FunctionType | BuiltinFunctionType) or isinstance(node, ast.Lambda):
        new = LAYERS.get(getattr(value, "__name__", ""), "")
        case = "module/layer_class_not_instantiated"
        return "training/constructor_vs_instance", "a function", new, case
    if value is None:
        case = "none/optional_layer_is_none"
        return "none/optional_layer_none", "None", "nn.Identity()", case
    return None


def _listed(
    evidence: Evidence, frame: UserFrame, node: ast.expr
) -> tuple[str, str, str, str] | None:
    """Return the same for a call or a sum whose result is a list, as the message says."""
    if frame.value(node) is not UNKNOWN or not isinstance(node, ast.Call | ast.BinOp):
        return None
    if isinstance(node, ast.Call) and isinstance(frame.value(node.func), type):
        return None
    if not evidence.message.startswith(("list is not", "tuple is not")):
        return None
    case = "module/list_passed_to_sequential"
    return "training/sequential_list", "a list of layers", _unpacked(frame, node, UNKNOWN), case


def _unpacked(frame: UserFrame, node: ast.expr, value: object) -> str:
    text = frame.source.text_of(node)
    if isinstance(node, ast.List | ast.Tuple):
        return ", ".join(map(frame.source.text_of, node.elts))
    if isinstance(value, dict):
        return f"*{text}.values()"
    return f"*({text})" if isinstance(node, ast.BinOp) else f"*{text}"


def _replaced(frame: UserFrame, node: ast.expr, new: str) -> tuple[Candidate, ...]:
    if not new:
        return ()
    return candidates((0, partial(edits.replace, frame.source, [(node, new)])))
