"""A comparison that keeps the best network is true for a better one."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.rules.loss.counters import own_nodes, scope_of
from broken_convnets.commands.diagnose.rules.training.bound_values import assigned_to
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.source import Source

KEEPING = re.compile(r"save|state_dict|deepcopy|checkpoint", re.IGNORECASE)
INFINITE = re.compile(r"""float\(["'][+]?(-?)inf(?:inity)?["']\)|\w+\.[iI]nf()""")
NUMBER = re.compile(r"[\d.]+(?:e[+-]?\d+)?")
ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
SMALLER = (ast.Lt, ast.LtE)


@dataclass(frozen=True)
class BestValue:
    """A comparison of a value with the best one so far, which keeps the network if it is true.

    `start` is the only number that the best value has before, `branch` what the comparison
    decides on.
    """

    source: Source
    test: ast.Compare
    branch: ast.If
    best: str
    value: ast.expr
    start: ast.expr
    number: float
    smaller: bool  # whether a smaller value replaces the best one
    margin: bool  # whether it has to be better by a margin

    def covers(self, line: int) -> bool:
        """Return whether a line is one of those that keep the network."""
        body = self.branch.body
        return body[0].lineno <= line <= (body[-1].end_lineno or body[-1].lineno)


def best_values(source: Source) -> Iterator[BestValue]:
    """Yield the comparisons with a best value in a file."""
    for test in source.expressions:
        if not isinstance(test, ast.Compare) or len(test.ops) != 1:
            continue
        branch = _branch(source, test) if isinstance(test.ops[0], ORDERS) else None
        if branch is None or not _keeps(branch):
            continue
        for best, value, smaller in _readings(test):
            name = source.text_of(_named(best))
            start = _start(_Names(source, test, branch, name, value), smaller=smaller)
            number = _number(source.text_of(start)) if start is not None else None
            if start is not None and number is not None:
                margin = best is not _named(best)
                yield BestValue(source, test, branch, name, value, start, number, smaller, margin)


def _branch(source: Source, test: ast.Compare) -> ast.If | None:
    """Return the `if` whose test a comparison is, or whose test is a name that it is assigned."""
    parent = source.parent(test)
    if isinstance(parent, ast.If):
        return parent
    if not isinstance(parent, ast.Assign) or not isinstance(parent.targets[0], ast.Name):
        return None
    name = parent.targets[0].id
    found = [
        node
        for node in own_nodes(scope_of(source, test))
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == name
    ]
    return found[0] if len(found) == 1 else None


def _keeps(branch: ast.If) -> bool:
    """Return whether the branch keeps the network, or its other branch counts bad epochs."""
    inside = [node for statement in branch.body for node in ast.walk(statement)]
    if any(isinstance(n, ast.Call) and KEEPING.search(called_name(n)) for n in inside):
        return True
    other = [node for statement in branch.orelse for node in ast.walk(statement)]
    return any(isinstance(n, ast.AugAssign) and isinstance(n.op, ast.Add) for n in other)


def _readings(test: ast.Compare) -> Iterator[tuple[ast.expr, ast.expr, bool]]:
    """Yield the best value, the value, and whether a smaller one is better, in both orders."""
    left, right = test.left, test.comparators[0]
    smaller = isinstance(test.ops[0], SMALLER)
    for value, best, less in ((left, right, smaller), (right, left, not smaller)):
        named = isinstance(_named(best), ast.Name | ast.Attribute)
        if named and not isinstance(value, ast.Constant):
            yield best, value, less


def _named(best: ast.expr) -> ast.expr:
    """Return `best` of `best - min_delta`."""
    return best.left if isinstance(best, ast.BinOp) else best


@dataclass(frozen=True)
class _Names:
    """A comparison of a value with a variable, and what it decides on."""

    source: Source
    test: ast.Compare
    branch: ast.If
    best: str
    value: ast.expr


def _start(names: _Names, *, smaller: bool) -> ast.expr | None:
    """Return what a variable is before its comparison; None if other values replace it too."""
    source, test = names.source, names.test
    nodes = source.nodes if "." in names.best else own_nodes(scope_of(source, test))
    starts: list[ast.expr] = []
    updates = 0
    for node in nodes:
        if not isinstance(node, ast.Name | ast.Attribute) or isinstance(node.ctx, ast.Load):
            continue
        if source.text_of(node) != names.best:
            continue
        bound = assigned_to(source, node)
        if bound is None or bound.item is not None:
            return None
        if _takes_over(names, bound.node, smaller=smaller):
            updates += 1
        else:
            starts.append(bound.node)
    is_before = len(starts) == 1 and starts[0].lineno < test.lineno
    inside = is_before and _in_same_loop(source, starts[0], test)
    return starts[0] if is_before and updates and not inside else None


def _takes_over(names: _Names, assigned: ast.expr, *, smaller: bool) -> bool:
    """Return whether a better value becomes the best one: `best = v`, `best = min(best, v)`."""
    source, value = names.source, names.source.text_of(names.value)
    if isinstance(assigned, ast.Call) and called_name(assigned) == ("min" if smaller else "max"):
        return {source.text_of(one) for one in assigned.args} == {value, names.best}
    inside = any(assigned in ast.walk(statement) for statement in names.branch.body)
    return inside and source.text_of(assigned) == value


def _in_same_loop(source: Source, start: ast.expr, test: ast.Compare) -> bool:
    """Return whether all loops around a comparison also contain the start value."""
    loops = source.loops_around(test)
    return bool(loops) and any(loops[0] is one for one in source.loops_around(start))


def _number(text: str) -> float | None:
    """Return the number that a text is, also an infinity as people write it."""
    sign, text = (-1, text[1:]) if text.startswith("-") else (1, text)
    infinite = INFINITE.fullmatch(text)
    if infinite:
        return -sign * math.inf if infinite[1] else sign * math.inf
    return sign * float(text) if NUMBER.fullmatch(text) else None
