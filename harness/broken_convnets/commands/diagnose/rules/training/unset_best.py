"""The best value so far is stored whenever it is exceeded."""

from __future__ import annotations

import ast
import re
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
)
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source

KEEPING = frozenset({"save", "state_dict", "deepcopy", "save_checkpoint"})
NUMBERS = frozenset({"inf", "-inf"})
LARGE = 1000
BEST = re.compile(r"best|highest|lowest|record|(^|_)so_far")
THRESHOLD = re.compile(r"thr|target|goal|limit|bound|tol|from|after|start|begin|warm|every|level")


@dataclass(frozen=True)
class Kept:
    """A statement that keeps a network if a value exceeds the best one, which nothing sets.

    It is an `if`, or a call that receives the result of the comparison.
    """

    source: Source
    statement: ast.If | ast.Expr
    test: ast.expr
    best: str
    value: ast.expr
    start: ast.expr


@rule(
    "the best value so far changes when it is exceeded",
    stays_quiet="unless a statement in a loop keeps the network when a value is better than a "
    "variable that is set once, to a number, before the loop; about counters of loops, and "
    "thresholds: variables with the name of one, or with a number that is not a usual beginning",
)
def best_is_never_set(evidence: Evidence) -> Iterator[Finding]:
    """Find `if accuracy > best: torch.save(...)` without `best = accuracy`."""
    require_success(evidence)
    for source in evidence.user_sources:
        for kept in _kept(source):
            test, start = source.text_of(kept.test), source.text_of(kept.start)
            yield Finding(
                kind="state/best_state_not_copied",
                message=f"`{kept.best}` stays at {start}, so `{test}` does not keep the best "
                "network, but the last one that is better than that",
                evidence=f"no other statement sets {kept.best}",
                cause=location_in(source, kept.test),
                subject=test,
                candidates=_set(source, kept),
                confidence=8,
            )


def _set(source: Source, kept: Kept) -> tuple[Candidate, ...]:
    """Return the change that sets the best value where the network is kept."""
    if not isinstance(kept.statement, ast.If):
        return ()
    change = f"{kept.best} = {source.text_of(kept.value)}"
    first = kept.statement.body[0]
    return candidates((0, partial(edits.insert_before, source, first, change)))


def _kept(source: Source) -> Iterator[Kept]:
    for statement in source.statements:
        test = _test(source, statement) if source.loops_around(statement) else None
        if test is None or not isinstance(statement, ast.If | ast.Expr):
            continue
        for best, value in _compared(source, test):
            start = _only_value(source, statement, best)
            if start is None or not _is_beginning(source, best, start):
                continue
            if not _is_guard(source, test, best) and not _is_counter(source, statement, value):
                yield Kept(source, statement, test, best, value, start)


def _test(source: Source, statement: ast.stmt) -> ast.expr | None:
    """Return the comparison by which a statement keeps a network; None if it keeps none."""
    if isinstance(statement, ast.If):
        keeps = any(_keeps(node) for one in statement.body for node in ast.walk(one))
        return _meant(source, statement, statement.test) if keeps else None
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call) or not _keeps(call):
        return None
    given = [*call.args, *(one.value for one in call.keywords)]
    names = [_meant(source, statement, one) for one in given if isinstance(one, ast.Name)]
    return next((one for one in names if isinstance(one, ast.Compare)), None)


def _meant(source: Source, statement: ast.stmt, test: ast.expr) -> ast.expr:
    """Return what a variable was assigned in the same turn of the loop; else the test itself."""
    loop = source.loops_around(statement)[0]
    found = [
        one
        for one in ast.walk(loop)
        if isinstance(one, ast.Assign) and source.text_of(one.targets[0]) == source.text_of(test)
    ]
    before = [one for one in found if one.lineno < statement.lineno]
    return before[-1].value if before and len(found) == 1 else test


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


def _only_value(source: Source, branch: ast.stmt, name: str) -> ast.expr | None:
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


def _is_beginning(source: Source, name: str, start: ast.expr) -> bool:
    """Return whether a variable begins as the best value so far, and is not a threshold."""
    short = name.rpartition(".")[2].lower()
    if BEST.search(short):
        return True
    text = source.text_of(start).replace(" ", "")
    usual = "inf" in text or text.lstrip("-") in {"0", "0.0", "0.", "1", "1.0"} or _is_large(start)
    return usual and not THRESHOLD.search(short)


def _is_guard(source: Source, test: ast.expr, name: str) -> bool:
    """Return whether a test is `value < max_value` or `value > min_value`: a limit."""
    limit = re.match(r"(max|min)_", name.rpartition(".")[2].lower())
    if limit is None or not isinstance(test, ast.Compare):
        return False
    is_left = source.text_of(test.left) == name
    below = isinstance(test.ops[0], ast.Lt | ast.LtE) != is_left  # the value is below the name
    return below == (limit[1] == "max")


def _is_large(start: ast.expr) -> bool:
    node = start.operand if isinstance(start, ast.UnaryOp) else start
    number = node.value if isinstance(node, ast.Constant) else 0
    return isinstance(number, int | float) and number >= LARGE


def _is_counter(source: Source, statement: ast.stmt, value: ast.expr) -> bool:
    """Return whether a value is what a loop counts, such as the epoch."""
    counted = {
        node.id
        for loop in source.loops_around(statement)
        if isinstance(loop, ast.For)
        for node in ast.walk(loop.target)
        if isinstance(node, ast.Name)
    }
    return isinstance(value, ast.Name) and value.id in counted


def _is_number(node: ast.expr) -> bool:
    """Return whether an expression is a number, or an infinity as people write it."""
    if isinstance(node, ast.UnaryOp):
        return _is_number(node.operand)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and not isinstance(node.value, bool)
    if isinstance(node, ast.Call) and called_name(node) == "float" and node.args:
        return isinstance(node.args[0], ast.Constant) and node.args[0].value in NUMBERS
    return isinstance(node, ast.Attribute) and node.attr == "inf"
