"""Variables do not hide imports, and methods do not replace those of nn.Module."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    origin_location,
    require_failure,
)
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

KIND = "training/name_shadowing"


@rule(
    "an imported module is not hidden by a variable of the same name",
    stays_quiet="if the name is not imported in the file",
)
def variable_hides_import(evidence: Evidence) -> Iterator[Finding]:
    """Find variables such as `F` or `nn` that hide the module that later code means."""
    frame = require_failure(evidence, AttributeError)
    node = frame.expression
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
        return
    name, value = node.value.id, frame.value(node.value)
    imported = {
        alias.asname or alias.name.partition(".")[0]
        for statement in frame.source.nodes
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for alias in statement.names
    }
    if name not in imported or not isinstance(value, torch.Tensor | int | float | tuple | list):
        return
    origin = next((one.origin for one in evidence.culprits if one.node is node.value), None)
    yield Finding(
        kind=KIND,
        message=f"`{name}` is a {type(value).__name__} here, not the imported module",
        evidence=f"`{frame.source.text_of(node)}` needs the module: rename the variable",
        cause=origin_location(origin) if origin else frame_location(frame),
        symptom=frame_location(frame),
        subject=name,
        confidence=9,
    )


@rule(
    "a method of nn.Module is not overridden by one with other parameters",
    stays_quiet="about methods that PyTorch itself does not call",
)
def overridden_module_method(evidence: Evidence) -> Iterator[Finding]:
    """Find `def train(self, images, labels)` and the like: eval() calls it with a mode."""
    frame = require_failure(evidence, TypeError)
    call = frame.call
    if call is None or not isinstance(call.func, ast.Attribute):
        return
    owner = frame.value(call.func.value)
    if not isinstance(owner, nn.Module):
        return
    for name in ("train", "eval", "to", "apply", "parameters", "type", "half", "float"):
        own = vars(type(owner)).get(name)
        code = getattr(own, "__code__", None)
        source = evidence.source(code.co_filename) if code else None
        function = source.function_named(name, code.co_firstlineno) if source and code else None
        if source is None or function is None or f"{name}() " not in evidence.message:
            continue
        yield Finding(
            kind="training/overrides_train_method",
            message=f"{type(owner).__name__}.{name}() overrides nn.Module.{name}() with other "
            "parameters",
            evidence=f"`{frame.source.text_of(call)}` calls it through PyTorch; choose another "
            "name for the method",
            cause=Location(source.path, function.lineno),
            symptom=frame_location(frame),
            subject=f"{type(owner).__name__}.{name}",
            cases=("module/train_method_overridden",),
            candidates=candidates((0, partial(_renamed_method, source, function))),
            confidence=10,
        )
        return


def _renamed_method(source: Source, function: ast.FunctionDef) -> Patch:
    """Rename the method, and its calls with arguments that are not a mode."""
    new = {"train": "fit", "eval": "evaluate"}.get(function.name, f"{function.name}_network")
    lines = list(source.lines)
    changes = [
        node.func
        for node in source.expressions
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == function.name
        and (len(node.args) > 1 or (node.args and not isinstance(node.args[0], ast.Constant)))
    ]
    old = f".{function.name}("
    for line in {node.end_lineno or node.lineno for node in changes}:
        lines[line - 1] = lines[line - 1].replace(old, f".{new}(")
    first = function.lineno - 1
    lines[first] = lines[first].replace(f"def {function.name}(", f"def {new}(")
    return {source.path: "\n".join(lines)}
