"""A function that initializes layers matches layers of the network."""

from __future__ import annotations

import ast
import re
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    location_in,
    require_success,
)
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.applications import Application

    Change = tuple[ast.expr, str]

TENSORS = frozenset({"weight", "bias", "data"})
FILLS = frozenset({"normal_", "uniform_", "zero_", "fill_", "copy_", "trunc_normal_"})
INIT = frozenset({"init", "nn.init", "torch.nn.init"})
SHOWN = 4


@rule(
    "a function that initializes layers changes at least one of them",
    stays_quiet="if any call of apply() with this function ran an operator, or replaced a "
    "parameter; and about networks without a matrix or filter",
)
def initialization_matches_nothing(evidence: Evidence) -> Iterator[Finding]:
    """Find `net.apply(init)` where `init` tests `type(m) == "Conv2d"`."""
    require_success(evidence)
    applied = list(evidence.record.applications)
    codes = {one.code for one in applied if not one.idle}
    for one in applied:
        if one.code in codes or one.code is None or not one.layers:
            continue
        codes.add(one.code)
        source = evidence.source(one.code.co_filename)
        function = _initializer(source, one) if source else None
        if source is None or function is None:
            continue
        tests = [node.test for node in ast.walk(function) if isinstance(node, ast.If)]
        changes = [change for test in tests for change in _changes(source, test, one.layers)]
        layers = ", ".join(one.layers[:SHOWN])
        yield Finding(
            kind="training",
            severity=Severity.ERROR if changes else Severity.WARNING,
            message=f"{function.name} initializes no layer of {one.type}: none of its "
            f"{one.modules} modules passes a test",
            evidence=f"apply() called it for all of them, and it wrote to no parameter; layers "
            f"with weights are {layers}",
            cause=location_in(source, tests[0] if tests else function),
            symptom=location(one.places),
            subject=function.name,
            candidates=candidates((0, partial(edits.replace, source, changes))) if changes else (),
            confidence=7,
        )


def _initializer(source: Source, applied: Application) -> ast.FunctionDef | None:
    """Return the function that is applied, if it initializes weights under a condition."""
    code = applied.code
    found = source.function_named(code.co_name, code.co_firstlineno) if code else None
    if found is None or not any(isinstance(node, ast.If) for node in ast.walk(found)):
        return None
    calls = [node for node in ast.walk(found) if isinstance(node, ast.Call)]
    return found if any(_fills(source, call) for call in calls) else None


def _fills(source: Source, call: ast.Call) -> bool:
    """Return whether a call is one of nn.init, or writes to a weight in place."""
    function = call.func
    if not isinstance(function, ast.Attribute):
        name = called_name(call)
        return name.endswith("_") and name in vars(nn.init)
    owner = function.value
    named = isinstance(owner, ast.Attribute) and owner.attr in TENSORS
    return source.text_of(owner) in INIT or (named and function.attr in FILLS)


def _changes(source: Source, test: ast.expr, layers: tuple[str, ...]) -> Iterator[Change]:
    """Yield what a test must have instead to match a layer of the network."""
    for node in ast.walk(test):
        if isinstance(node, ast.Compare) and _is_type_beside_text(node):
            yield node.left, f"{source.text_of(node.left)}.__name__"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            like = _like(node.value, layers)
            if like:
                yield node, repr(like).replace("'", '"')
        elif isinstance(node, ast.Attribute) and hasattr(nn, node.attr):
            like = _like(node.attr, layers)
            if like:
                yield node, f"{source.text_of(node.value)}.{like}"


def _is_type_beside_text(node: ast.Compare) -> bool:
    """Return whether a comparison is `type(m) == "Conv2d"` or `m.__class__ == "Conv2d"`."""
    left, right = node.left, node.comparators[0]
    is_type = isinstance(left, ast.Call) and called_name(left) == "type"
    is_class = isinstance(left, ast.Attribute) and left.attr == "__class__"
    text = isinstance(right, ast.Constant) and isinstance(right.value, str)
    return (is_type or is_class) and text


def _like(name: str, layers: tuple[str, ...]) -> str:
    """Return the class of a layer that a name may mean; empty if it is one, or like none."""
    if name in layers or not name:
        return ""
    plain = _plain(name)
    return next((one for one in layers if _plain(one) == plain), "")


def _plain(name: str) -> str:
    """Return the name of a class without its number of dimensions: `conv` for `Conv2d`."""
    return re.sub(r"\dd$", "", name.lower())
