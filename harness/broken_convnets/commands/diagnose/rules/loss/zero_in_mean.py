"""A mean of recorded values is over these values, without a 0 that the list began with."""

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

REMOVING = frozenset({"pop", "popleft", "remove", "clear"})
MEANS = frozenset({"mean", "fmean", "average", "nanmean"})


@rule(
    "a mean of values that a loop appends has no other values in it",
    stays_quiet="unless a list begins with a single 0, a loop appends to it, and the mean of the "
    "whole list is computed; about lists of indices and of sums so far, whose first is 0, and "
    "lists that the program removes elements of",
)
def zero_in_mean(evidence: Evidence) -> Iterator[Finding]:
    """Find `losses = [0]`, to which the losses are appended before `np.mean(losses)`."""
    require_success(evidence)
    for source in evidence.user_sources:
        for node in source.expressions:
            name = _began_with_zero(source, node) if isinstance(node, ast.List) else ""
            if not name or not _is_appended(source, name) or not _is_averaged(source, name):
                continue
            assert isinstance(node, ast.List)  # noqa: S101  (for the type checker)
            yield Finding(
                kind="training/metric_not_reset",
                message=f"the 0 that {name} begins with is part of its mean",
                evidence=f"{name} begins as {source.text_of(node)}, a loop appends to it, and the "
                "mean of all its elements is computed: of n values it is n / (n + 1) of the mean",
                cause=location_in(source, node),
                subject=name,
                candidates=candidates((0, partial(edits.replace, source, [(node, "[]")]))),
                confidence=7,
            )


def _began_with_zero(source: Source, node: ast.List) -> str:
    """Return the name of a list that is assigned as `[0]`, or of a dict with such values."""
    only = node.elts[0] if len(node.elts) == 1 else None
    if not isinstance(only, ast.Constant) or isinstance(only.value, bool) or only.value != 0:
        return ""
    around = source.parent(node)
    if (isinstance(around, ast.DictComp) and around.value is node) or (
        isinstance(around, ast.Dict) and node in around.values
    ):
        around = source.parent(around)
    if not isinstance(around, ast.Assign) or len(around.targets) != 1:
        return ""
    target = around.targets[0]
    return source.text_of(target) if isinstance(target, ast.Name | ast.Attribute) else ""


def _is_appended(source: Source, name: str) -> bool:
    """Return whether a loop appends to a list, and nothing removes elements of it."""
    calls = [
        node
        for node in source.expressions
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and _root(source, node.func.value) == name
    ]
    if any(called_name(call) in REMOVING for call in calls):
        return False
    appending = [call for call in calls if called_name(call) == "append"]
    in_loops = [call for call in appending if source.loops_around(call)]
    return bool(in_loops) and not any(_belongs_to_zero(source, call, name) for call in in_loops)


def _belongs_to_zero(source: Source, call: ast.Call, name: str) -> bool:
    """Return whether what is appended goes on from 0: the loop's variable, or a sum so far."""
    loops = [loop for loop in source.loops_around(call) if isinstance(loop, ast.For)]
    counted = {source.text_of(loop.target) for loop in loops}
    nodes = [node for given in call.args for node in ast.walk(given)]
    from_itself = any(isinstance(n, ast.expr) and source.text_of(n) == name for n in nodes)
    return from_itself or any(source.text_of(given) in counted for given in call.args)


def _is_averaged(source: Source, name: str) -> bool:
    """Return whether the mean of all elements is computed: of the list, not of a part of it."""
    calls = [node for node in source.expressions if isinstance(node, ast.Call) and node.args]
    averaged = any(
        called_name(call) in MEANS and _root(source, call.args[0]) == name for call in calls
    )
    summed = any(called_name(c) == "sum" and _root(source, c.args[0]) == name for c in calls)
    counted = any(called_name(c) == "len" and _root(source, c.args[0]) == name for c in calls)
    return averaged or (summed and counted)


def _root(source: Source, node: ast.expr) -> str:
    """Return the name of a list, or of the mapping whose item it is."""
    if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
        return source.text_of(node.value)
    return source.text_of(node) if isinstance(node, ast.Name | ast.Attribute) else ""
