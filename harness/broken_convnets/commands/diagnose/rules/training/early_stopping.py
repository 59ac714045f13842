"""Early stopping counts the epochs since the last improvement."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.counters import assigned_value, scope_of
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

ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
REACHED = (ast.GtE, ast.Gt, ast.Eq)
TELLING = re.compile(
    r"patien|improv|wait|stop|bad|worse|stagnat|stale|plateau|since", re.IGNORECASE
)


@dataclass(frozen=True, eq=False)
class BadEpochs:
    """A count of epochs without improvement, and where the best score is replaced."""

    source: Source
    name: str
    growth: ast.AugAssign
    better: ast.Assign  # of the best score, in the other branch
    limit: ast.Compare


@dataclass(frozen=True)
class _Region:
    """The loop over epochs, or the class, that a count belongs to."""

    nodes: list[ast.AST]
    looped: bool


@rule(
    "a count of epochs without improvement begins again after an improvement",
    stays_quiet="unless the count ends the training, and about counts that are assigned anywhere "
    "else",
)
def patience_is_not_reset(evidence: Evidence) -> Iterator[Finding]:
    """Find early stopping that counts all bad epochs, not those in a row."""
    require_success(evidence)
    if not evidence.record.backward_passes.count:
        return
    for source in evidence.user_sources:
        for found in _counts(source):
            if not _ran(evidence, found):
                continue
            reset = f"{found.name} = 0"
            change = partial(edits.insert_after, source, found.better, reset)
            yield Finding(
                kind="training/metric_not_reset",
                message=f"{found.name} counts all epochs without improvement, not those in a row",
                evidence=f"`{source.text_of(found.better)}` does not set it to 0, and the training "
                f"ends if `{source.text_of(found.limit)}`",
                cause=location_in(source, found.better),
                symptom=location_in(source, found.growth),
                subject=found.name,
                candidates=candidates((0, change)),
                confidence=6,
            )


def _counts(source: Source) -> Iterator[BadEpochs]:
    for growth in source.statements:
        if not isinstance(growth, ast.AugAssign) or not isinstance(growth.op, ast.Add):
            continue
        name, region = source.text_of(growth.target), _region(source, growth)
        better = _better(source, growth)
        if region is None or better is None or _is_assigned(source, growth, name, region):
            continue
        limit = next(_limits(source, name, region), None)
        words = f"{name} {source.text_of(limit)}" if limit else ""
        if limit is not None and TELLING.search(words):
            yield BadEpochs(source, name, growth, better, limit)


def _region(source: Source, growth: ast.AugAssign) -> _Region | None:
    loops = source.loops_around(growth)
    if loops:
        return _Region(list(ast.walk(loops[0])), looped=True)
    owner = source.class_of(growth)
    attribute = isinstance(growth.target, ast.Attribute)
    return _Region(list(ast.walk(owner)), looped=False) if owner and attribute else None


def _better(source: Source, growth: ast.AugAssign) -> ast.Assign | None:
    """Return the assignment of the best score in the branch opposite to a count."""
    inner: ast.AST = growth
    for outer in source.ancestors(growth):
        if isinstance(outer, ast.If):
            branch = outer.orelse if inner in outer.body else outer.body
            sides = _compared(source, outer)
            for one in branch:
                if isinstance(one, ast.Assign) and _takes_over(source, one, sides):
                    return one
        elif isinstance(outer, ast.stmt):
            return None
        inner = outer
    return None


def _compared(source: Source, branch: ast.If) -> list[str]:
    """Return the texts of the variables that a condition compares by order; none for others."""
    test: ast.expr | None = branch.test
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test = test.operand
    if isinstance(test, ast.Name):
        test = assigned_value(test, scope_of(source, branch))
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ORDERS):
        return []
    sides = (n for n in ast.walk(test) if isinstance(n, ast.Name | ast.Attribute))
    return [source.text_of(side) for side in sides]


def _takes_over(source: Source, statement: ast.Assign, sides: list[str]) -> bool:
    """Return whether one side of a comparison is assigned the other one."""
    target = source.text_of(statement.targets[0]) if len(statement.targets) == 1 else ""
    values = {
        source.text_of(n)
        for n in ast.walk(statement.value)
        if isinstance(n, ast.Name | ast.Attribute)
    }
    return target in sides and bool(values & (set(sides) - {target}))


def _is_assigned(source: Source, growth: ast.AugAssign, name: str, region: _Region) -> bool:
    """Return whether a count is changed elsewhere: in its loop, or outside of its constructor."""
    attribute = growth.target.attr if isinstance(growth.target, ast.Attribute) else ""
    for node in source.nodes if attribute else region.nodes:
        if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Store):
            continue
        same = node.attr == attribute if isinstance(node, ast.Attribute) else node.id == name
        if not same or node is growth.target:
            continue
        function = source.function_of(node)
        first = function is not None and function.name == "__init__" and not region.looped
        inside = any(node is one for one in region.nodes)
        if not first and (inside or not region.looped or source.loops_around(node)):
            return True
    return False


def _limits(source: Source, name: str, region: _Region) -> Iterator[ast.Compare]:
    """Yield the comparisons of a count with a limit that end the training."""
    for node in region.nodes:
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], REACHED):
            continue
        if source.text_of(node.left) != name:
            continue
        parent = source.parent(node)
        leaves = isinstance(parent, ast.If) and any(map(_ends, parent.body))
        if leaves or isinstance(parent, ast.Return | ast.Assign):
            yield node


def _ends(statement: ast.stmt) -> bool:
    """Return whether a statement leaves the loop or sets a flag."""
    if isinstance(statement, ast.Assign):
        return isinstance(statement.value, ast.Constant) and statement.value.value is True
    return isinstance(statement, ast.Break | ast.Return | ast.Raise)


def _ran(evidence: Evidence, found: BadEpochs) -> bool:
    """Return whether the loop of a count trained, or its class is constructed."""
    source, loops = found.source, found.source.loops_around(found.growth)
    if loops:
        lines = range(loops[0].lineno, (loops[0].end_lineno or 0) + 1)
        passes = evidence.record.backward_passes
        places = (place for one in passes for place in one.places)
        return any(p.file == source.path and p.line in lines for p in places)
    owner = source.class_of(found.growth)
    calls = (
        node
        for one in evidence.user_sources
        for node in one.expressions
        if isinstance(node, ast.Call)
    )
    return owner is not None and any(called_name(call) == owner.name for call in calls)
