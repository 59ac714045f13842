"""A method that resets an object's counts resets all that one method adds to."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location_in,
    require_success,
)
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

    Methods = dict[str, ast.FunctionDef]

RESET = "reset"
GROWING = frozenset({"append", "extend", "update", "add"})


@rule(
    "reset() sets back all counts that one method adds to",
    stays_quiet="unless the class sets them all up in its constructor, and another method returns "
    "a ratio of the count that is left and one that is reset; a count of all time may stay",
)
def count_not_reset(evidence: Evidence) -> Iterator[Finding]:
    """Find an accumulator that `reset()` forgets beside others that it sets back."""
    require_success(evidence)
    for source in evidence.user_sources:
        called = {called_name(n) for n in source.expressions if isinstance(n, ast.Call)}
        for node in source.statements:
            if isinstance(node, ast.ClassDef) and RESET in called:
                for name, start in _forgotten(node):
                    yield _finding(source, node, name, start)


def _finding(source: Source, owner: ast.ClassDef, name: str, start: ast.expr) -> Finding:
    reset = _methods(owner)[RESET]
    change = f"self.{name} = {source.text_of(start)}"
    return Finding(
        kind="training/metric_not_reset",
        message=f"{owner.name}.reset() leaves self.{name} as it is: results mix what was counted "
        "before and after it",
        evidence=f"{owner.name} adds to self.{name} beside counts that reset() sets back, and "
        "divides one by the other",
        cause=location_in(source, reset.body[-1]),
        symptom=location_in(source, start),
        subject=f"{owner.name}.{name}",
        cases=("loss/accuracy_not_reset",),
        candidates=candidates((0, partial(edits.insert_after, source, reset.body[-1], change))),
        confidence=6,
    )


def _methods(owner: ast.ClassDef) -> Methods:
    return {node.name: node for node in owner.body if isinstance(node, ast.FunctionDef)}


def _forgotten(owner: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    """Yield the attributes that reset() forgets, and what the constructor sets them to."""
    methods = _methods(owner)
    first, reset = methods.get("__init__"), methods.get(RESET)
    if first is None or reset is None or _calls_own(reset) or _calls_reset(first):
        return
    starts, cleared = _assigned(first), set(_assigned(reset)) | _mentioned(reset)
    for method in methods.values():
        grown = _grown(method)
        if method in {first, reset} or not grown & cleared:
            continue
        for name in sorted((grown & set(starts)) - cleared):
            if _are_divided(methods, name, grown & cleared):
                yield name, starts[name]


def _calls_own(function: ast.FunctionDef) -> bool:
    """Return whether a method calls others of its object, which may reset the rest."""
    calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return any(
        isinstance(f, ast.Attribute) and getattr(f.value, "id", "") in {"self", "super"}
        for f in calls
    ) or any(
        isinstance(node, ast.Call) and called_name(node) in {"super", "setattr"}
        for node in ast.walk(function)
    )


def _calls_reset(function: ast.FunctionDef) -> bool:
    return any(
        isinstance(node, ast.Call) and called_name(node) == RESET for node in ast.walk(function)
    )


def _assigned(function: ast.FunctionDef) -> dict[str, ast.expr]:
    """Return the attributes of `self` that a method assigns, with the value."""
    found = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if name := _own(target):
                    found[name] = node.value
    return found


def _mentioned(function: ast.FunctionDef | ast.expr) -> set[str]:
    return {name for node in ast.walk(function) if (name := _own(node))}


def _own(node: ast.AST) -> str:
    owner = getattr(getattr(node, "value", None), "id", "")
    return node.attr if isinstance(node, ast.Attribute) and owner == "self" else ""


def _grown(function: ast.FunctionDef) -> set[str]:
    """Return the attributes of `self` that a method adds to."""
    found = set()
    for node in ast.walk(function):
        target: ast.expr | None = None
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
            target = node.target
        elif isinstance(node, ast.Call) and called_name(node) in GROWING:
            target = node.func.value if isinstance(node.func, ast.Attribute) else None
        while isinstance(target, ast.Subscript):
            target = target.value
        if target is not None and (name := _own(target)):
            found.add(name)
    return found


def _are_divided(methods: Methods, name: str, cleared: set[str]) -> bool:
    """Return whether a method that adds nothing divides one count by the other."""
    return any(
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Div)
        and name in (sides := _mentioned(node.left) | _mentioned(node.right))
        and sides & cleared
        for method in methods.values()
        if method.name not in {"__init__", RESET} and not _grown(method) & ({name} | cleared)
        for node in ast.walk(method)
    )
