"""A list or an array that was stored is not filled again.

https://docs.python.org/3/faq/programming.html#why-did-changing-list-y-also-change-list-x: a
collection holds references, so that all its entries change if they are one list.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location_in
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

STORING = frozenset({"append", "appendleft", "insert", "extend"})
SHARE = 0.5  # of the entries
LEAST = 3


@rule(
    "the entries of a collection are lists of their own",
    stays_quiet="unless more than half of the entries are one list, which the program appends and "
    "clears in place",
)
def stored_list_is_cleared(evidence: Evidence) -> Iterator[Finding]:
    """Find `replay.append(episode)` and `episode.clear()`."""
    for one in evidence.record.content_facts.repeated_entries.values():
        source = evidence.source(one.file)
        if source is None or one.same <= SHARE * one.of or one.changed:
            continue
        for stored, call in _stored(source, one.name):
            clearing = _clearing(source, stored)
            if clearing is None:
                continue
            text = source.text_of(stored)
            yield Finding(
                kind="data",
                message=f"the entries of {one.name} are one and the same list, which is cleared",
                evidence=f"{one.same} of {one.of} entries are the list `{text}`: "
                f"`{source.text_of(call)}` stores a reference, so that clearing the list in place "
                "empties all entries; a new list leaves them as they are",
                cause=location_in(source, clearing),
                symptom=location_in(source, call),
                subject=one.name,
                confidence=8,
            )
            return


@rule(
    "the arrays that a collection keeps do not change any more",
    stays_quiet="unless the program appends an array or a tensor, more than half of the entries, "
    "and at least three, are that one object, and its numbers change while it is an entry",
)
def stored_array_changes(evidence: Evidence) -> Iterator[Finding]:
    """Find `states.append(state)` where the state is changed in place."""
    for one in evidence.record.content_facts.repeated_entries.values():
        source = evidence.source(one.file)
        few = one.same <= SHARE * one.of or one.same < LEAST
        calls = list(_stored(source, one.name)) if source and one.changed and not few else []
        lines = {call.lineno for _, call in calls}
        if source is None or len(lines) != 1:
            continue
        call = calls[0][1]
        yield Finding(
            kind="data",
            message=f"the entries of {one.name} are one and the same array, which changes in place",
            evidence=f"{one.same} of {one.of} entries are one object, and its numbers changed "
            f"after `{source.text_of(call)}`: all of them have the latest numbers; store a copy",
            cause=location_in(source, call),
            subject=one.name,
            confidence=7,
        )
        return


def _stored(source: Source, name: str) -> Iterator[tuple[ast.expr, ast.Call]]:
    """Yield the variables that calls add to a collection, and these calls."""
    for node in source.expressions:
        if not isinstance(node, ast.Call) or called_name(node) not in STORING or not node.args:
            continue
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if owner is None or source.text_of(owner).rpartition(".")[2] != name:
            continue
        given = node.args[-1]
        for one in given.elts if isinstance(given, ast.Tuple | ast.List) else [given]:
            if isinstance(one, ast.Name | ast.Attribute):
                yield one, node


def _clearing(source: Source, stored: ast.expr) -> ast.stmt | None:
    """Return the statement that empties a list in place: in its function, or in its class."""
    text = source.text_of(stored)
    is_attribute = isinstance(stored, ast.Attribute)
    scope = source.class_of(stored) if is_attribute else source.function_of(stored)
    for node in ast.walk(scope or source.tree):
        if isinstance(node, ast.stmt) and _emptied(source, node) == text:
            return node
    return None


def _emptied(source: Source, statement: ast.stmt) -> str:
    """Return the text of the list that `x.clear()`, `del x[:]` or `x[:] = []` empties."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        function = statement.value.func
        clears = isinstance(function, ast.Attribute) and function.attr == "clear"
        return (
            source.text_of(function.value) if clears and isinstance(function, ast.Attribute) else ""
        )
    targets = statement.targets if isinstance(statement, ast.Delete | ast.Assign) else []
    for target in targets:
        whole = isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice)
        if whole and isinstance(target, ast.Subscript) and source.text_of(target.slice) == ":":
            return source.text_of(target.value)
    return ""
