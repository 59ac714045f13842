"""A name that nothing defines where it is used: an option, or a variable of another function."""

from __future__ import annotations

import argparse
import ast
import dataclasses
from types import SimpleNamespace
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.imports import customary_import
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.names.undefined_names import (
    meant_name,
    owner_of_method,
    renamed,
    undefined_finding,
    undefined_name,
)
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Finding

Function = ast.FunctionDef | ast.AsyncFunctionDef


@rule(
    "options are read from the object that has them",
    stays_quiet="unless exactly one object or dict of options in scope has an option of this name",
)
def option_without_its_object(evidence: Evidence) -> Iterator[Finding]:
    """Find `lr=learning_rate` where the program has `args.learning_rate`."""
    frame, node = undefined_name(evidence)
    texts = _options(frame, node.id)
    if len(texts) != 1:
        return
    yield undefined_finding(
        frame,
        node,
        message=f"`{node.id}` is not defined; `{texts[0]}` is",
        evidence="it is an option of the program, and options are read from their object",
        candidates=candidates((0, renamed(frame, node.id, texts[0]))),
        confidence=9,
    )


def _options(frame: UserFrame, name: str) -> list[str]:
    """Return how the options of a name that are in scope are read."""
    texts: dict[int, str] = {}
    for variable, value in (*frame.scope.world.items(), *frame.scope.local.items()):
        if variable.startswith("_"):
            continue
        if type(value) is dict and name in value:
            texts[id(value)] = f'{variable}["{name}"]'
        elif _has_options(value) and name in vars(value):
            texts[id(value)] = f"{variable}.{name}"
    return list(texts.values())


def _has_options(value: object) -> bool:
    data = dataclasses.is_dataclass(value) and not isinstance(value, type)
    return data or isinstance(value, argparse.Namespace | SimpleNamespace)


@rule(
    "a name is defined where it is used",
    stays_quiet="if the file binds the name outside of functions, and if another rule knows more",
)
def name_is_not_in_scope(evidence: Evidence) -> Iterator[Finding]:
    """Find variables that only another function has, and names that nothing in the file binds."""
    frame, node = undefined_name(evidence)
    _, owner = owner_of_method(frame)
    if _options(frame, node.id) or customary_import(node.id) or hasattr(owner, node.id):
        return
    found = _functions_with(frame, node.id)
    if found is None or meant_name(frame, node.id):
        return
    owners = " and ".join(f"{one.name}()" for one in found[:2])
    yield undefined_finding(
        frame,
        node,
        message=f"`{node.id}` is a variable of {owners}, and is used outside"
        if owners
        else f"`{node.id}` is used, and nothing in the file defines it",
        evidence="the variables of a function end with it: return the value, or pass it on"
        if owners
        else "no assignment, parameter, import, function or class has this name",
        confidence=4,
    )


def _functions_with(frame: UserFrame, name: str) -> list[Function] | None:
    """Return the functions that have a variable of a name; None if it is bound outside of them."""
    found: dict[int, Function] = {}
    for node in frame.source.nodes:
        if _binds(node, name):
            function = frame.source.function_of(node)
            if function is None:
                return None
            found[id(function)] = function
    return list(found.values())


def _binds(node: ast.AST, name: str) -> bool:
    """Return whether a node of the syntax binds a name."""
    if isinstance(node, ast.Name):
        return node.id == name and not isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.arg):
        return node.arg == name
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return node.name == name
    if isinstance(node, ast.alias):
        return name in {node.name, node.asname} or node.name == "*"
    return isinstance(node, ast.ExceptHandler) and node.name == name
