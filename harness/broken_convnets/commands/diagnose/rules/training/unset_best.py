"""The best value so far is stored whenever it is exceeded."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.counters import scope_of
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location_in,
    require_success,
    user_sources,
)
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

KEEPING = frozenset({"save", "state_dict", "deepcopy", "save_checkpoint"})
NUMBERS = frozenset({"inf", "-inf"})


@dataclass(frozen=True)
class Kept:
    """An `if` that keeps a network if a value exceeds the best one, which nothing sets."""

    source: Source
    branch: ast.If
    best: str
    value: ast.expr
    start: ast.expr


@rule(
    "the best value so far changes when it is exceeded",
    stays_quiet="unless an `if` in a loop keeps the network when a value is better than a "
    "variable that is set once, to a number, before the loop",
)
def best_is_never_set(evidence: Evidence) -> Iterator[Finding]:
    """Find `if accuracy > best: torch.save(...)` without `best = accuracy`."""
    require_success(evidence)
    for source in user_sources(evidence):
        for kept in _kept(source):
            test, start = source.text_of(kept.branch.test), source.text_of(kept.start)
            first = kept.branch.body[0]
            change = f"{kept.best} = {source.text_of(kept.value)}"
            yield Finding(
                rule="best_is_never_set",
                kind="state/best_state_not_copied",
                message=f"`{kept.best}` stays at {start}, so `if {test}` does not keep the best "
                "network, but the last one that is better than that",
                evidence=f"no other statement sets {kept.best}",
                cause=location_in(source, kept.branch),
                subject=test,
                candidates=candidates((0, partial(edits.insert_before, source, first, change))),
                confidence=8,
            )


def _kept(source: Source) -> Iterator[Kept]:
    for branch in source.statements:
        if not isinstance(branch, ast.If) or not source.loops_around(branch):
            continue
        if not any(_keeps(node) for statement in branch.body for node in ast.walk(statement)):
            continue
        for best, value in _compared(source, branch.test):
            start = _only_value(source, branch, best)
            if start is not None:
                yield Kept(source, branch, best, value, start)


def _keeps(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and called_name(node) in KEEPING


def _compared(source: Source, test: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Yield the two readings of `a > b`: a variable, and what it is compared with."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return
    if not isinstance(test.ops[0], ast.Gt | ast.GtE | ast.Lt | ast.LtE):
        return
    left, right = test.left, test.comparators[0]
    for one, other in ((right, left), (left, right)):
        if isinstance(one, ast.Name | ast.Attribute) and not isinstance(other, ast.Constant):
            yield source.text_of(one), other


def _only_value(source: Source, branch: ast.If, name: str) -> ast.expr | None:
    """Return the number that a variable is set to before the loop, if nothing else sets it."""
    attribute = "." in name
    nodes = source.nodes if attribute else list(ast.walk(scope_of(source, branch)))
    bound = [
        node
        for node in nodes
        if isinstance(node, ast.Name | ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and source.text_of(node) == name
    ]
    assigned = source.statement_of(bound[0]) if len(bound) == 1 else None
    if not isinstance(assigned, ast.Assign) or assigned.targets[0] is not bound[0]:
        return None
    outer = source.loops_around(branch)[-1]
    inside = outer.lineno <= assigned.lineno <= (outer.end_lineno or outer.lineno)
    return assigned.value if _is_number(assigned.value) and not inside else None


def _is_number(node: ast.expr) -> bool:
    """Return whether an expression is a number, or an infinity as people write it."""
    if isinstance(node, ast.UnaryOp):
        return _is_number(node.operand)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and not isinstance(node.value, bool)
    if isinstance(node, ast.Call) and called_name(node) == "float" and node.args:
        return isinstance(node.args[0], ast.Constant) and node.args[0].value in NUMBERS
    return isinstance(node, ast.Attribute) and node.attr == "inf"
