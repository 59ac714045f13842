"""What is summed over the batches is added, not assigned."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.counters import (
    assigned_value,
    counted,
    division_of,
    iterated,
    own_nodes,
    scope_of,
)
from broken_convnets.commands.diagnose.sites import candidates, location_in
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.counters import Division, Scope
    from broken_convnets.commands.diagnose.source import Source


@dataclass(frozen=True)
class Overwritten:
    """A variable that each batch assigns anew, and that is divided afterwards."""

    source: Source
    name: str
    assigned: ast.Assign
    division: Division
    starts: bool  # at 0 before the loop; if not, it is a count of right answers


@rule(
    "a sum over batches adds what each batch has",
    stays_quiet="unless the variable starts at 0 or counts right answers, the loop assigns it and "
    "never reads it, several batches came, and afterwards it is divided by the number of all",
)
def sum_overwritten(evidence: Evidence) -> Iterator[Finding]:
    """Find `correct = (predicted == labels).sum()` in a loop over batches."""
    for source, loop in loops_over_several(evidence):
        for found in overwritten(source, loop):
            text, divided = (source.text_of(n) for n in (found.assigned, found.division.node))
            yield Finding(
                kind="training/metric_not_reset",
                message=f"`{text}` replaces the sum of the batches before: only the last "
                "batch counts",
                evidence=f"{found.name} {'starts at 0' if found.starts else 'is a count'}, "
                f"and `{divided}` divides it by the number of all",
                violates=(Law.PERFECT_SCORES_ONE,),
                cause=location_in(source, found.assigned),
                symptom=location_in(source, found.division.node),
                subject=text,
                cases=("loss/accuracy_not_reset",),
                candidates=candidates((0, partial(_added, found))) if found.starts else (),
                confidence=8,
            )


def loops_over_several(evidence: Evidence) -> Iterator[tuple[Source, ast.For]]:
    """Yield the loops over loaders that have more samples than one batch."""
    several = {
        (epoch.places[0].file, epoch.places[0].line)
        for loader in evidence.record.loaders
        for epoch in loader.epochs
        if epoch.places and (loader.dataset.length or 0) > (loader.batch_size or 0) > 0
    }
    for source in evidence.user_sources:
        for loop in source.statements:
            if isinstance(loop, ast.For) and (source.path, loop.lineno) in several:
                yield source, loop


def overwritten(source: Source, loop: ast.For) -> Iterator[Overwritten]:
    """Yield the variables that a loop over batches assigns anew and that are divided after it."""
    scope = scope_of(source, loop)
    for node in loop.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if not isinstance(node, ast.Assign) or not isinstance(target, ast.Name):
            continue
        uses = [n for n in ast.walk(loop) if isinstance(n, ast.Name) and n.id == target.id]
        starts = _starts_at_zero(source, loop, target.id)
        if len(uses) > 1 or not (starts or counted(node.value, scope, source)):
            continue
        divided = (division_of(source, one, target.id) for one in own_nodes(scope))
        after = [one for one in divided if one and _is_after(source, one.node, loop)]
        by_all = [
            one
            for one in after
            if counts_all(source, scope, loop, one.divisor)
            or (not starts and _is_size_of_other(source, loop, one.divisor))
        ]
        yield from (Overwritten(source, target.id, node, one, starts) for one in by_all[:1])


def _starts_at_zero(source: Source, loop: ast.For, name: str) -> bool:
    """Return whether the variable is set to 0 once before the loop, in the same block."""
    block = source.block_of(loop)
    before = block[: block.index(loop)]
    found = [
        (target, statement.value)
        for statement in before
        if isinstance(statement, ast.Assign)
        for target in statement.targets
    ]
    pairs = [
        pair
        for target, value in found
        for pair in (
            zip(target.elts, value.elts, strict=False)
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            else [(target, value)]
        )
    ]
    values = [v for t, v in pairs if isinstance(t, ast.Name) and t.id == name]
    return len(values) == 1 and isinstance(values[0], ast.Constant) and values[0].value == 0


def _is_after(source: Source, node: ast.AST, loop: ast.For) -> bool:
    """Return whether a node comes after the loop, in the same run of the block around it."""
    statement = source.statement_of(node)
    block = source.block_of(loop)
    rest = block[block.index(loop) + 1 :]
    around = [statement, *source.ancestors(node)]
    return any(one is other for one in rest for other in around)


def counts_all(source: Source, scope: Scope, loop: ast.For, divisor: ast.expr) -> bool:
    """Return whether a divisor is the length of what the loop reads, or a count of the loop."""
    text = source.text_of(iterated(loop.iter))
    value = assigned_value(divisor, scope) if isinstance(divisor, ast.Name) else divisor
    if isinstance(value, ast.Call) and called_name(value) == "len" and value.args:
        return source.text_of(value.args[0]).startswith(text)
    name = source.text_of(divisor)
    return any(
        isinstance(n, ast.AugAssign) and source.text_of(n.target) == name for n in ast.walk(loop)
    )


def _is_size_of_other(source: Source, loop: ast.For, divisor: ast.expr) -> bool:
    """Return whether a divisor is the length of something that the loop does not assign."""
    text = source.text_of(divisor)
    is_size = text.startswith("len(") or text.endswith((".shape[0]", ".size(0)"))
    names = {node.id for node in ast.walk(divisor) if isinstance(node, ast.Name)} - {"len"}
    stored = {
        node.id
        for node in ast.walk(loop)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return is_size and bool(names) and not names & stored


def _added(found: Overwritten) -> edits.Patch:
    value = found.source.text_of(found.assigned.value)
    return edits.replace(found.source, [(found.assigned, f"{found.name} += {value}")])
