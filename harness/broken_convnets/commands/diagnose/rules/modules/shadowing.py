"""One name means one thing: layers, methods, functions and outputs do not replace each other."""

from __future__ import annotations

import ast
import builtins
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.bindings import bindings
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source

KIND = "training/name_shadowing"


@rule(
    "an output does not replace the layer that computed it",
    stays_quiet="about assignments of layers and parameters",
)
def output_replaces_layer(evidence: Evidence) -> Iterator[Finding]:
    """Find `self.features = self.features(x)`, which nn.Module refuses."""
    frame = require_failure(evidence, TypeError)
    statement, source = frame.statement, frame.source
    if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Attribute):
        return
    target = statement.targets[0]
    owner = frame.value(target.value)
    if not isinstance(owner, nn.Module) or "cannot assign" not in evidence.message:
        return
    registered = target.attr in owner._modules or target.attr in owner._parameters  # noqa: SLF001  (torch offers no other way to ask for both)
    if not registered:
        return
    text = source.text_of(target)
    what = "layer" if target.attr in owner._modules else "parameter"  # noqa: SLF001  (as above)
    yield Finding(
        kind=KIND,
        message=f"`{text}` is a {what}, and this line assigns a result to the same name",
        evidence=f"`{shortened(source.text_of(statement))}`: keep the result in a variable",
        cause=frame_location(frame),
        subject=text,
        cases=("module/output_overwrites_layer",),
        candidates=candidates((0, partial(_as_variable, source, statement, target))),
        confidence=10,
    )


def _as_variable(source: Source, statement: ast.Assign, target: ast.Attribute) -> Patch:
    """Keep the result in a variable, there and in the rest of the function."""
    text, function = source.text_of(target), source.function_of(statement)
    later = [
        node
        for node in ast.walk(function or source.tree)
        if isinstance(node, ast.Attribute)
        and source.text_of(node) == text
        and node.lineno > (statement.end_lineno or statement.lineno)
    ]
    return edits.replace(source, [(node, target.attr) for node in [target, *later]])


@rule(
    "a layer is not named like a method of nn.Module",
    stays_quiet="about methods that the program calls on purpose",
)
def layer_named_like_method(evidence: Evidence) -> Iterator[Finding]:
    """Find `self.half = nn.Conv2d(...)` and the like: the call reaches the method instead."""
    frame = require_failure(evidence, TypeError, AttributeError)
    call = frame.call
    if call is None or not isinstance(call.func, ast.Attribute):
        return
    owner, name = frame.value(call.func.value), call.func.attr
    if not isinstance(owner, nn.Module) or name not in owner._modules:  # noqa: SLF001  (children by attribute are hidden here)
        return
    if not hasattr(type(owner), name):
        return
    source = frame.source
    places = [n for n in source.expressions if isinstance(n, ast.Attribute) and n.attr == name]
    own = [n for n in places if source.text_of(n.value) == source.text_of(call.func.value)]
    stored = [n for n in own if isinstance(n.ctx, ast.Store)]
    renamed = [(n, f"{source.text_of(n.value)}.{name}_layer") for n in own]
    yield Finding(
        kind=KIND,
        message=f"the layer `{name}` is hidden by the method {type(owner).__name__}.{name}",
        evidence=f"`{source.text_of(call.func)}` is the method of nn.Module; rename the layer",
        cause=Location(source.path, stored[0].lineno) if stored else frame_location(frame),
        symptom=frame_location(frame),
        subject=name,
        module=name,
        cases=("module/layer_shadows_method",),
        candidates=candidates((0, partial(edits.replace, source, renamed))),
        confidence=10,
    )


@rule(
    "a function is not replaced by its result",
    stays_quiet="about objects that are called by mistake under their own name",
)
def result_replaces_function(evidence: Evidence) -> Iterator[Finding]:
    """Find `loss = loss(...)`, after which the function is gone."""
    frame = require_failure(evidence, TypeError)
    call = frame.call
    if call is None or "not callable" not in evidence.message or callable(frame.value(call.func)):
        return
    text, source = frame.source.text_of(call.func), frame.source
    own = _replacing(frame, text)
    hidden = _hidden_builtin(frame, call)
    if not own and hidden is None:
        return
    statement = own[-1] if own else hidden
    assert statement is not None  # noqa: S101  (one of the two, see above)
    yield Finding(
        kind=KIND,
        message=f"`{text}` is not the function any more: line {statement.lineno} assigns a "
        f"{type(frame.value(call.func)).__name__} to this name",
        evidence=f"`{shortened(source.text_of(statement))}`; choose another name for one of them",
        cause=Location(source.path, statement.lineno),
        symptom=frame_location(frame),
        subject=text,
        cases=("module/loss_variable_shadows_function",),
        candidates=_renamed_function(frame, text, own) if own else (),
        confidence=10,
    )


def _replacing(frame: UserFrame, text: str) -> list[ast.stmt]:
    """Return the statements that assign to a name or an attribute what calling it returned."""
    function = frame.function
    found: list[ast.stmt] = []
    for node in ast.walk(function or frame.source.tree):
        if not isinstance(node, ast.Assign):
            continue
        targets = [frame.source.text_of(t) for t in node.targets]
        calls = [n for n in ast.walk(node.value) if isinstance(n, ast.Call)]
        if text in targets and any(frame.source.text_of(c.func) == text for c in calls):
            found.append(node)
    return found


def _hidden_builtin(frame: UserFrame, call: ast.Call) -> ast.stmt | None:
    """Return the assignment that hides a builtin function such as `sum` or `max`."""
    if not isinstance(call.func, ast.Name) or not hasattr(builtins, call.func.id):
        return None
    body = frame.function.body if frame.function else frame.source.tree.body
    found = [b.statement for b in bindings(body, call.func.id)]
    return found[-1] if found else None


def _renamed_function(
    frame: UserFrame, text: str, statements: Sequence[ast.stmt]
) -> tuple[Candidate, ...]:
    """Return the change that renames the function where it is defined and called."""
    source, new = frame.source, f"{text}_function"
    changes: list[tuple[ast.expr, str]] = []
    for statement in statements:
        calls = [n for n in ast.walk(statement) if isinstance(n, ast.Call)]
        changes += [(call.func, new) for call in calls if source.text_of(call.func) == text]
    for node in source.nodes:
        if isinstance(node, ast.Assign) and node not in statements:
            made = [t for t in node.targets if source.text_of(t) == text]
            same = source.function_of(node) is frame.function or "." in text
            if made and same and not isinstance(node.value, ast.Constant):
                changes += [(target, new) for target in made]
    function = frame.function
    parameters = [a.arg for a in function.args.args] if function else []
    if text in parameters and function is not None:
        return candidates((0, partial(_renamed_results, frame, text, statements)))
    return candidates((0, partial(edits.replace, source, changes)))


def _renamed_results(frame: UserFrame, text: str, statements: Sequence[ast.stmt]) -> Patch:
    """Rename the result from the assignment on, where the function is a parameter."""
    first = statements[0]
    names = [
        node
        for node in ast.walk(frame.function or frame.source.tree)
        if isinstance(node, ast.Name) and node.id == text and node.lineno >= first.lineno
    ]
    calls = {n.func for n in frame.source.expressions if isinstance(n, ast.Call)}
    return edits.replace(frame.source, [(n, f"{text}_value") for n in names if n not in calls])
