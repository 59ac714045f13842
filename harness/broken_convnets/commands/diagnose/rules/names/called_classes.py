"""Networks are constructed before they are called."""

from __future__ import annotations

import ast
import inspect
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location
from broken_convnets.commands.diagnose.analysis.signatures import (
    MISSING,
    TOO_MANY,
    calls_itself,
    code_of_callable,
    failed_signature,
)
from broken_convnets.commands.diagnose.analysis.user_frames import UNKNOWN
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.signatures import Called
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate


@rule(
    "a network is constructed before it is called",
    stays_quiet="about classes that are called without tensors",
)
def class_is_called(evidence: Evidence) -> Iterator[Finding]:
    """Find `Net(images)` and `net = Net` of a class of the program, and `Net.forward(images)`."""
    pattern = MISSING if MISSING.search(evidence.message) else TOO_MANY
    called, _ = failed_signature(evidence, pattern)
    owner = class_of_method(called)
    built = called.frame.value(called.call.func) if owner is None else owner
    if not isinstance(built, type) or not issubclass(built, nn.Module):
        return
    method = owner is not None and "self" not in [k.arg for k in called.call.keywords]
    passes = is_called_with_tensors(called)
    if (
        built.__module__.startswith("torch.")
        or not (passes or method)
        or not calls_itself(evidence)
    ):
        return
    text = called.frame.source.text_of(called.call.func)
    what = "a method of the class is called" if method else "the class is called with tensors"
    yield Finding(
        kind="training/constructor_vs_instance",
        message=f"`{text}`: {what}, not an object of it",
        evidence=f"{built.__name__} is a class: construct it first, and call the result",
        cause=frame_location(called.frame),
        subject=text,
        cases=("module/layer_class_not_instantiated",),
        candidates=_constructed(called, built, method=method),
        confidence=11,
    )


def _is_tensor(called: Called, argument: ast.expr) -> bool:
    value = called.frame.value(argument)
    if value is not UNKNOWN or not isinstance(argument, ast.Call):
        return isinstance(value, torch.Tensor)
    maker = called.frame.value(argument.func)
    module = getattr(maker, "__module__", "") or ""
    return module.startswith("torch") or getattr(torch, getattr(maker, "__name__", ""), 0) is maker


def _constructed(called: Called, built: type, *, method: bool) -> tuple[Candidate, ...]:
    """Return the object instead of the class: where the class got another name, or in the call."""
    source, function = called.frame.source, called.call.func
    if method and isinstance(function, ast.Attribute):
        value = function.value
        new = source.text_of(value)
        names = {**called.frame.scope.world, **called.frame.scope.local}
        own = [name for name, one in names.items() if type(one) is built and name[0] != "_"]
        attempts = [(0, partial(edits.replace, source, [(value, name)])) for name in own[:1]]
        return candidates(*attempts, (1, partial(edits.replace, source, [(value, f"{new}()")])))
    text = source.text_of(function)
    attempts = [(1, partial(edits.replace, source, [(function, f"{text}()")]))]
    renamed = [
        node.value
        for node in source.statements
        if isinstance(node, ast.Assign)
        and text in map(source.text_of, node.targets)
        and source.text_of(node.value) == built.__name__
    ]
    if len(renamed) == 1:
        new = f"{built.__name__}()"
        attempts.append((0, partial(edits.replace, source, [(renamed[0], new)])))
    return candidates(*attempts)


def class_of_method(called: Called) -> type | None:
    """Return the class of which a method is called, where an object of it is meant."""
    function = called.call.func
    owner = called.frame.value(function.value) if isinstance(function, ast.Attribute) else None
    return owner if isinstance(owner, type) else None


def is_called_with_tensors(called: Called) -> bool:
    """Return whether the constructor of a network receives a tensor by position."""
    function = called.frame.value(called.call.func)
    network = isinstance(function, type) and issubclass(function, nn.Module)
    return network and any(_is_tensor(called, argument) for argument in called.call.args)


def lacks_self(evidence: Evidence, called: Called) -> bool:
    """Return whether a method of the program is called whose first parameter is not `self`."""
    code = code_of_callable(called.function)
    path = getattr(code, "co_filename", "")
    source = evidence.source(path) if path else None
    name, line = getattr(code, "co_name", ""), getattr(code, "co_firstlineno", 0)
    function = source.function_named(name, line) if source else None
    if source is None or function is None or function.decorator_list:
        return False
    bound = inspect.ismethod(called.function) or isinstance(called.function, type)
    arguments = [*function.args.posonlyargs, *function.args.args]
    named = bool(arguments) and arguments[0].arg in {"self", "cls", "this", "_"}
    inside = isinstance(source.parent(function), ast.ClassDef)
    return bound and inside and not named
