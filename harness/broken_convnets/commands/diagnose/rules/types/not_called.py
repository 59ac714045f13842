"""Methods and layers are called, and layers are constructed before they are called."""

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
from broken_convnets.commands.diagnose.analysis.user_frames import UNKNOWN, value_of
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.modules.wrapped import WRAPPERS
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.culprits import Culprit
    from broken_convnets.commands.diagnose.analysis.origins import Origin
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source

METHOD_NAMES = {"method", "builtin_function_or_method", "function"}
Attempt = tuple[int, "Callable[[], Patch]"]


@rule(
    "a method is called where its result is meant",
    stays_quiet="about functions that are passed as arguments on purpose",
)
def method_not_called(evidence: Evidence) -> Iterator[Finding]:
    """Find methods that are used like their results, such as `x.size[0]` and `x = x.flatten`."""
    frame = require_failure(evidence, TypeError, AttributeError)
    for one in evidence.culprits:
        node = one.origin.node
        if one.type not in METHOD_NAMES or one.called or not isinstance(node, ast.Attribute):
            continue
        text = one.origin.source.text_of(node)
        yield Finding(
            kind="none/method_not_called",
            message=f"`{text}` is a method that is not called",
            evidence=f"`{one.text}` is the method itself, not its result: parentheses are missing",
            cause=origin_location(one.origin),
            symptom=frame_location(frame),
            subject=text,
            cases=("none/method_not_called",),
            candidates=candidates(
                (0, partial(edits.replace, one.origin.source, [(node, f"{text}()")]))
            ),
            confidence=10,
        )
        return


@rule(
    "a layer is called, and its output is what later layers receive",
    stays_quiet="about modules that are passed to containers",
)
def module_as_value(evidence: Evidence) -> Iterator[Finding]:
    """Find layers that are passed on like tensors: not called, or constructed with the input."""
    frame = require_failure(evidence, TypeError, AttributeError, RuntimeError)
    if frame.call and isinstance(frame.value(frame.call.func), type):
        return  # optimizers and containers accept layers
    for one in evidence.culprits:
        module = one.value
        is_module = isinstance(module, nn.Module) or _constructs(one) is not None
        if not is_module or one.called or one.text == "self" or one.node is frame.expression:
            continue
        built = _constructs(one)
        if built is None and isinstance(one.origin.last_read.node, ast.Call):
            continue
        if built is None and _is_receiver(one) and not _is_assigned_layer(evidence, one):
            continue
        yield _finding(evidence, one, built)
        return


def _constructs(one: Culprit) -> type[nn.Module] | None:
    """Return the class of layers that the origin constructs with tensors, which __init__ lacks."""
    call = one.origin.node
    if not isinstance(call, ast.Call) or not call.args:
        return None
    function = one.origin.source.function_of(call)
    built = value_of(call.func, one.origin.scope)
    if not isinstance(built, type) or getattr(function, "name", "") == "__init__":
        return None
    if not issubclass(built, nn.Module) or issubclass(built, WRAPPERS):  # of a layer
        return None
    values = [value_of(argument, one.origin.scope) for argument in call.args]
    tensors = [v for v in values if isinstance(v, torch.Tensor) or v is UNKNOWN]
    return built if tensors or _argument_is_data(one) else None


def _argument_is_data(one: Culprit) -> bool:
    """Return whether the name that the result is assigned to is the argument itself."""
    statement, call = one.origin.statement, one.origin.node
    if not isinstance(statement, ast.Assign) or not isinstance(call, ast.Call):
        return False
    target, first = statement.targets[0], call.args[0]
    names = isinstance(target, ast.Name) and isinstance(first, ast.Name)
    return names and target.id == first.id  # type: ignore[attr-defined]  # both are names


def _is_receiver(one: Culprit) -> bool:
    """Return whether an attribute or a method of the layer is looked up."""
    parent = one.frame.source.parent(one.node)
    return isinstance(parent, ast.Attribute) and parent.value is one.node


def _is_assigned_layer(evidence: Evidence, one: Culprit) -> bool:
    """Return whether the missing attribute is one of a name like `x` that `x = self.pool` sets."""
    return isinstance(evidence.error, AttributeError) and one.origin.last_read.node is not one.node


def _finding(evidence: Evidence, one: Culprit, built: type[nn.Module] | None) -> Finding:
    origin = one.origin if built else one.origin.last_read
    loss = built is not None and is_function_like(built)
    text = shortened(origin.source.text_of(origin.node))
    attribute = _class_attribute(evidence, one) if built else None
    if attribute is not None:
        kind, case = "training/constructor_vs_instance", "module/layer_class_not_instantiated"
        cause = origin_location(attribute)
    else:
        kind = "loss/module_as_function" if loss else "none/module_not_called"
        case = "module/layer_constructed_with_input" if built else "none/layer_not_called"
        cause = origin_location(origin)
    how = (
        f"`{text}` constructs a layer and never calls it"
        if built
        else (f"`{text}` is a layer that is not called")
    )
    if attribute is not None:
        how = f"`{shortened(attribute.source.text_of(attribute.node))}` is a class, not a layer"
    return Finding(
        kind=kind,
        message=how,
        evidence=f"`{one.text}` is the {one.type} itself, not its output",
        cause=cause,
        symptom=frame_location(one.frame),
        subject=text,
        cases=(case,),
        candidates=_calls(one, built, attribute),
        confidence=10,
    )


def is_function_like(built: type[nn.Module]) -> bool:
    """Return whether a class is often meant as the function of the same name."""
    return built.__name__.endswith(("Loss", "Softmax", "LogSoftmax"))


def _class_attribute(evidence: Evidence, one: Culprit) -> Origin | None:
    """Return where `self.relu = nn.ReLU` assigns a class that is called like a layer."""
    call = one.origin.node
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return None
    owner = value_of(call.func.value, one.origin.scope)
    if not isinstance(owner, nn.Module):
        return None
    found = origin_of(evidence, 0, call.func)
    return found if found.node is not call.func else None


def _calls(
    one: Culprit, built: type[nn.Module] | None, attribute: Origin | None
) -> tuple[Candidate, ...]:
    if attribute is not None:
        text = attribute.source.text_of(attribute.node)
        return candidates(
            (0, partial(edits.replace, attribute.source, [(attribute.node, f"{text}()")]))
        )
    if built is not None and isinstance(one.origin.node, ast.Call):
        return candidates(*constructed_first(one.origin.source, one.origin.node))
    read = one.origin.last_read
    source, node, statement = read.source, read.node, read.statement
    text = source.text_of(node)
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    function = source.function_of(node)
    arguments = [a.arg for a in function.args.args if a.arg != "self"] if function else []
    names = [target.id] if isinstance(target, ast.Name) and _is_known(source, target) else []
    return candidates(
        *(
            (rank, partial(edits.replace, source, [(node, f"{text}({name})")]))
            for rank, name in enumerate(dict.fromkeys([*names, *arguments[:1]]))
        )
    )


def _is_known(source: Source, target: ast.Name) -> bool:
    """Return whether a name has a value before the statement that assigns it."""
    function = source.function_of(target)
    names = [n for n in ast.walk(function or source.tree) if isinstance(n, ast.Name)]
    parameter = function is not None and target.id in {a.arg for a in function.args.args}
    return parameter or any(n.id == target.id and n.lineno < target.lineno for n in names)


def constructed_first(source: Source, call: ast.Call) -> Iterator[Attempt]:
    """Yield `nn.Flatten()(x)` for `nn.Flatten(x)`."""
    tensors = [a for a in call.args if not isinstance(a, ast.Constant)]
    constants = [source.text_of(a) for a in call.args if isinstance(a, ast.Constant)]
    named = [f"{k.arg}={source.text_of(k.value)}" for k in call.keywords if k.arg]
    options = ", ".join([*constants, *named])
    text = f"{source.text_of(call.func)}({options})({', '.join(map(source.text_of, tensors))})"
    yield 0, partial(edits.replace, source, [(call, text)])
