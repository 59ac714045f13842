"""Branches in a training loop that keep the best score so far."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.rules.training.kept_state import ORDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

CASE = "state/best_state_not_copied"
STEPS = 2  # of optimizers, at least


@dataclass(frozen=True)
class Improvement:
    """An `if` in a loop that compares a score with the best one, and keeps the score."""

    source: Source
    branch: ast.If
    loop: ast.For | ast.While


def improvements(evidence: Evidence) -> Iterator[Improvement]:
    """Yield the branches in loops that keep the score that they compare."""
    for source in evidence.user_sources:
        for branch in source.statements:
            tests = list(ast.walk(branch.test)) if isinstance(branch, ast.If) else []
            compared = [
                n for n in tests if isinstance(n, ast.Compare) and isinstance(n.ops[0], ORDER)
            ]
            loops = source.loops_around(branch)
            if not isinstance(branch, ast.If) or not compared or not loops:
                continue
            names = {source.text_of(s) for s in (compared[0].left, *compared[0].comparators)}
            kept = {(t, v) for s in branch.body for t, v in pairs_of(s)}
            if any({source.text_of(t), source.text_of(v)} == names for t, v in kept):
                yield Improvement(source, branch, loops[0])


def pairs_of(statement: ast.stmt) -> list[tuple[ast.expr, ast.expr]]:
    """Return the targets and the values of an assignment, also of tuples."""
    if not isinstance(statement, ast.Assign):
        return []
    target, value = statement.targets[0], statement.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=False))
    return [(target, value)]
