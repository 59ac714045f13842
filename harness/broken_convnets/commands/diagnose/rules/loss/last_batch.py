"""What a network returns for each batch of an evaluation counts, not only for the last one."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.batch_loops import KIND, BatchLoop, batch_loops
from broken_convnets.commands.diagnose.rules.loss.counted_afterwards import late_counts
from broken_convnets.commands.diagnose.rules.loss.counters import own_nodes, scope_of
from broken_convnets.commands.diagnose.rules.loss.overwritten_sums import overwritten
from broken_convnets.commands.diagnose.sites import location_in, require_success
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

SHOWN = frozenset({"shape", "size", "dtype", "device", "ndim", "dim"})
MOVES = frozenset({"to", "cuda", "cpu", "float", "long", "double", "half", "squeeze", "view"})


@rule(
    "what a network returns for each batch is used",
    stays_quiet="unless a loop over several batches calls a network and only assigns variables "
    "that it does not read, and one that holds an output is read after it, other than its shape "
    "or an example of it; a warning",
)
def only_last_batch_is_used(evidence: Evidence) -> Iterator[Finding]:
    """Find a score that is computed after the loop, from the variables of its last turn."""
    require_success(evidence)
    for loop in batch_loops(evidence):
        if loop.epoch.batches < 2 or not _calls_network(evidence, loop):  # noqa: PLR2004
            continue
        assigned = _assigned(loop.node.body)
        names = {n.id for n in loop.names(stored=True)}
        read = [name for name in sorted(names) if loop.is_read_after(name)]
        if all(_is_only_shown(loop, name) for name in read):
            continue
        if assigned is None or not read or any(map(_reads_itself, assigned)):
            continue
        if any(overwritten(loop.source, loop.node)) or any(late_counts(loop.source, loop.node)):
            continue  # the rules about sums know more about it
        after = next(one for one in assigned if read[0] in _targets(one))
        yield Finding(
            kind=KIND,
            message=f"{read[0]} is computed for {loop.epoch.batches} batches, and only the last "
            "one is used",
            evidence=f"`{loop.source.text_of(after)}` replaces the result of the batch before, "
            "nothing in the loop reads it, and the code after the loop reads what is left",
            severity=Severity.WARNING,
            cause=location_in(loop.source, after),
            subject=read[0],
            confidence=7,
        )


def _is_only_shown(loop: BatchLoop, name: str) -> bool:
    """Return whether the code below reads the shape of a variable, or one item of it."""
    end = loop.node.end_lineno or 0
    reads = [
        node
        for node in own_nodes(scope_of(loop.source, loop.node))
        if isinstance(node, ast.Name) and node.id == name and node.lineno > end
    ]
    return all(_is_example(node, loop.source.parent(node)) for node in reads)


def _is_example(node: ast.Name, outer: ast.AST | None) -> bool:
    if isinstance(outer, ast.Attribute):
        return outer.attr in SHOWN
    item = isinstance(outer, ast.Subscript) and outer.value is node
    return item and isinstance(outer, ast.Subscript) and isinstance(outer.slice, ast.Constant)


def _calls_network(evidence: Evidence, loop: BatchLoop) -> bool:
    """Return whether the body calls a network whose output has no part in training."""
    lines = range(loop.node.lineno, (loop.node.end_lineno or 0) + 1)
    return any(
        place.line in lines and place.file == loop.source.path
        for one in evidence.record.passes
        if not evidence.flow.is_in_loss(one)
        for place in one.places
    )


def _assigned(body: list[ast.stmt]) -> list[ast.Assign] | None:
    """Return the assignments of a body; None if it has other statements."""
    found: list[ast.Assign] = []
    for statement in body:
        if isinstance(statement, ast.With):
            inner = _assigned(statement.body)
            if inner is None:
                return None
            found += inner
        elif isinstance(statement, ast.Assign) and _targets(statement):
            found.append(statement)
        else:
            return None
    return found


def _targets(statement: ast.Assign) -> set[str]:
    """Return the variables that a statement assigns; none if it assigns to something else."""
    nodes = [n for target in statement.targets for n in ast.walk(target)]
    if any(isinstance(n, ast.Subscript | ast.Attribute) for n in nodes):
        return set()
    return {n.id for n in nodes if isinstance(n, ast.Name)}


def _reads_itself(statement: ast.Assign) -> bool:
    """Return whether a statement adds to a variable, in any way, or hands it on."""
    read = {n.id for n in ast.walk(statement.value) if isinstance(n, ast.Name)}
    moved = read & _targets(statement)
    return bool(moved) and not _is_moved(statement)


def _is_moved(statement: ast.Assign) -> bool:
    """Return whether a statement only moves or converts a variable: `x = x.to(device)`."""
    value = statement.value
    values = value.elts if isinstance(value, ast.Tuple) else [value]
    return all(isinstance(one, ast.Call) and called_name(one) in MOVES for one in values)
