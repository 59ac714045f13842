"""What is divided by the number of all samples is added up in the loop that counts them."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.counters import (
    counted,
    division_of,
    own_nodes,
    scope_of,
)
from broken_convnets.commands.diagnose.rules.loss.overwritten_sums import (
    counts_all,
    loops_over_several,
)
from broken_convnets.commands.diagnose.sites import candidates, location_in, require_success
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.rules.loss.counters import Division
    from broken_convnets.commands.diagnose.source import Source


class Late(NamedTuple):
    """A statement after a loop over batches that reads what the last batch left."""

    source: Source
    loop: ast.For
    statement: ast.Assign | ast.AugAssign
    name: str  # that it assigns or adds to
    left: str  # a variable of the last batch
    division: Division


@rule(
    "a sum over batches grows inside of the loop over them",
    stays_quiet="unless a statement right after a loop over several batches adds to a variable, or "
    "counts right answers, from variables that each batch assigns anew, and the result is divided "
    "by what the loop counts or by the length of its loader or dataset",
)
def counted_after_the_loop(evidence: Evidence) -> Iterator[Finding]:
    """Find `correct += (predicted == labels).sum()` that is not indented into the loop."""
    require_success(evidence)
    for source, loop in loops_over_several(evidence):
        for late in late_counts(source, loop):
            text, divided = (source.text_of(n) for n in (late.statement, late.division.node))
            yield Finding(
                kind="training/metric_not_reset",
                message=f"`{text}` stands after the loop over the batches: only the last batch "
                "counts",
                evidence=f"{late.left} is what the last batch left, and `{divided}` divides "
                f"{late.name} by the number of all",
                violates=(Law.PERFECT_SCORES_ONE,),
                cause=location_in(source, late.statement),
                symptom=location_in(source, late.division.node),
                subject=text,
                candidates=_moved(late),
                confidence=8,
            )


def late_counts(source: Source, loop: ast.For) -> Iterator[Late]:
    """Yield the statements after a loop that should be in it."""
    block = source.block_of(loop)
    if any(isinstance(n, ast.Break | ast.Return) for n in ast.walk(loop)) or loop.orelse:
        return
    fresh, sums = _variables(loop)
    stored = _stored(loop)
    for statement in block[block.index(loop) + 1 :]:
        found = _growth(source, statement)
        read = _names(found[1]) if found else set()
        if found and found[0] not in stored and read & fresh and not read & sums:
            division = _division(source, loop, statement, found[0])
            if division is not None:
                left = min(read & fresh)
                yield Late(source, loop, found[2], found[0], left, division)
        fresh -= _stored(statement)


def _growth(
    source: Source, statement: ast.stmt
) -> tuple[str, ast.expr, ast.Assign | ast.AugAssign] | None:
    """Return the variable that a statement adds to, or whose right answers it counts."""
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
        return source.text_of(statement.target), statement.value, statement
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        is_count = counted(statement.value, scope_of(source, statement), source) is not None
        name = statement.targets[0]
        if is_count and isinstance(name, ast.Name):
            return name.id, statement.value, statement
    return None


def _variables(loop: ast.For) -> tuple[set[str], set[str]]:
    """Return the variables that each turn assigns anew, and those that a turn adds to."""
    fresh, sums = _stored(loop.target) - _counter(loop), _counter(loop)
    assigned = sorted(
        (n for one in loop.body for n in ast.walk(one) if isinstance(n, ast.stmt)),
        key=lambda n: n.lineno,
    )
    for node in assigned:
        if isinstance(node, ast.AugAssign):
            sums |= {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)} - fresh
        elif isinstance(node, ast.Assign):
            targets = {name for target in node.targets for name in _stored(target)}
            sums |= (targets & _names(node.value)) - fresh
            fresh |= targets - sums
    return fresh, sums


def _counter(loop: ast.For) -> set[str]:
    """Return the number of the turn, if the loop has one."""
    numbered = isinstance(loop.iter, ast.Call) and called_name(loop.iter) == "enumerate"
    if not numbered or not isinstance(loop.target, ast.Tuple):
        return set()
    return _stored(loop.target.elts[0])


def _division(source: Source, loop: ast.For, statement: ast.stmt, name: str) -> Division | None:
    """Return the division of a variable by the number of all that the loop went over."""
    scope = scope_of(source, loop)
    for node in own_nodes(scope):
        found = division_of(source, node, name)
        if found is None or found.node.lineno <= statement.lineno:
            continue
        same_turn = source.loops_around(found.node) == source.loops_around(loop)
        if same_turn and counts_all(source, scope, loop, found.divisor):
            return found
    return None


def _names(node: ast.AST) -> set[str]:
    """Return the variables that are read in a node."""
    names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
    return {n.id for n in names if not isinstance(n.ctx, ast.Store)}


def _stored(node: ast.AST) -> set[str]:
    """Return the variables that are assigned in a node."""
    names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
    return {n.id for n in names if isinstance(n.ctx, ast.Store)}


def _moved(late: Late) -> tuple[Candidate, ...]:
    last = late.loop.body[-1]
    if not isinstance(late.statement, ast.AugAssign):
        return ()
    return candidates((0, partial(edits.move, late.source, late.statement, last, after=True)))
