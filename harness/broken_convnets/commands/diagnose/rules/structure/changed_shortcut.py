"""A tensor that is kept under another name is not changed in place before it is used."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import NAMESPACES
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    location_in,
    require_success,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

MOVING = frozenset({"detach_", "requires_grad_", "squeeze_", "unsqueeze_", "transpose_", "t_"})


@rule(
    "what forward() keeps for later is not changed in place meanwhile",
    stays_quiet="unless one variable is assigned to another, an operator then changes one of them "
    "in place, its result is assigned to a variable, and the other is read afterwards",
)
def shortcut_changed_in_place(evidence: Evidence) -> Iterator[Finding]:
    """Find `identity = x`, `x = self.relu(x)` with inplace=True, and `x + identity`."""
    require_success(evidence)
    seen: set[object] = set()
    for operator in evidence.record.operators:
        place = operator.place
        if place is None or place in seen or not operator.changed or operator.name in MOVING:
            continue
        seen.add(place)
        source = evidence.source(place.file)
        call = source.expression_at(place) if source else None
        found = _kept(source, call) if source and isinstance(call, ast.Call) else None
        if source is None or call is None or found is None:
            continue
        alias, kept = found
        name = source.text_of(alias.targets[0])
        change = f"{name} = {source.text_of(alias.value)}.clone()"
        yield Finding(
            kind="module",
            message=f"`{place.text}` changes {kept} too: both names are one tensor",
            evidence=f"`{source.text_of(alias)}` makes no copy, {operator.name} writes to the "
            f"tensor, and {kept} is read afterwards",
            cause=location(operator.places),
            symptom=location_in(source, alias),
            subject=f"{kept} in {place.function}",
            candidates=candidates((1, partial(edits.replace, source, [(alias, change)]))),
            confidence=7,
        )


def _kept(source: Source, call: ast.Call) -> tuple[ast.Assign, str] | None:
    """Return the assignment of one variable to another, and which of them keeps the value."""
    changed, function = _argument(call), source.function_of(call)
    statement = source.statement_of(call)
    if changed is None or function is None or not isinstance(statement, ast.Assign):
        return None  # whoever ignores the result knows that the tensor changes
    block = source.block_of(statement)
    before = [s for s in block if s.lineno < statement.lineno]
    for alias in reversed(before):
        pair = _pair(alias)
        if pair and changed in pair and isinstance(alias, ast.Assign):
            kept = pair[0] if pair[1] == changed else pair[1]
            later = [s for s in block if s.lineno > statement.lineno]
            return (alias, kept) if _is_read_first(later, kept) else None
        if changed in _stored(alias):
            return None
    return None


def _argument(call: ast.Call) -> str | None:
    """Return the variable that a call gets, or whose method it is."""
    function, first = call.func, call.args[0] if call.args else None
    if isinstance(function, ast.Attribute) and function.attr.endswith("_"):
        owner = function.value
        if isinstance(owner, ast.Name) and owner.id not in NAMESPACES:
            return owner.id
    return first.id if isinstance(first, ast.Name) else None


def _pair(statement: ast.stmt) -> tuple[str, str] | None:
    """Return the names of `one = other`."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    target, value = statement.targets[0], statement.value
    both = isinstance(target, ast.Name) and isinstance(value, ast.Name)
    return (target.id, value.id) if both else None  # type: ignore[attr-defined]  # both are names


def _stored(statement: ast.stmt) -> set[str]:
    return {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _is_read_first(statements: list[ast.stmt], name: str) -> bool:
    """Return whether a variable is read before it is assigned again."""
    for statement in statements:
        loads = (n for n in ast.walk(statement) if isinstance(n, ast.Name) and n.id == name)
        if any(isinstance(node.ctx, ast.Load) for node in loads):
            return True
        if name in _stored(statement):
            return False
    return False
