"""Greedy CTC decoding collapses repeats first, and removes blanks afterwards."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.counters import (
    iterated,
    own_nodes,
    scope_of,
)
from broken_convnets.commands.diagnose.sites import location_in
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

COLLAPSING = frozenset({"groupby", "unique_consecutive"})
BLANK = 4  # position of `blank` among the arguments of ctc_loss


@rule(
    "CTC decoding collapses repeats before it removes blanks",
    stays_quiet="about programs without a CTC loss, and functions in which the number of the blank "
    "is not written",
)
def blanks_removed_before_repeats(evidence: Evidence) -> Iterator[Finding]:
    """Find a decoder that makes one letter of two with a blank in between."""
    calls = [call.operator for call in evidence.record.losses if call.name == "ctc_loss"]
    if not calls:
        return
    blanks = {call.literals.get("blank", call.literals.get(BLANK, 0)) for call in calls}
    for source in evidence.user_sources:
        for node in source.nodes:
            removal = _removal(source, node, blanks)
            if removal is None:
                continue
            yield Finding(
                kind="loss/broadcast_metric",
                message="the CTC decoder removes blanks before it collapses repeats, so that no "
                "letter can come twice in a row",
                evidence=f"{source.text_of(removal).splitlines()[0]} takes the blank out of "
                "a, blank, a, which CTC reads as aa, and a single a is left",
                cause=location_in(source, removal),
                subject=source.text_of(removal),
                confidence=6,
            )
            return


def _removal(source: Source, node: ast.AST, blanks: set[object]) -> ast.expr | None:
    """Return what removes blanks before repeats are collapsed at a node; None if nothing does."""
    if isinstance(node, ast.Call) and called_name(node) in COLLAPSING and node.args:
        given = node.args[0]
        filters = [given, *_assigned(source, node, given)]
        return next((f for f in filters if _drops_blanks(source, f, blanks)), None)
    if not isinstance(node, ast.For):
        return None
    target = node.target.elts[-1] if isinstance(node.target, ast.Tuple) else node.target
    if not isinstance(target, ast.Name):
        return None
    filters = _assigned(source, node, iterated(node.iter))
    dropped = next((f for f in filters if _drops_blanks(source, f, blanks)), None)
    if dropped is not None and _compares_neighbors(source, node, target.id):
        return dropped
    return _skipping_loop(source, node, target.id, blanks)


def _compares_neighbors(source: Source, loop: ast.For, item: str) -> bool:
    """Return whether a loop compares its item with the one before."""
    read = source.text_of(iterated(loop.iter))
    for node in ast.walk(loop):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            other = _compared(source, node, item)
            if other.endswith("[-1]") or (other.startswith(f"{read}[") and "- 1" in other):
                return True
            if other and any(
                _writes(source, n, other) and _takes(source, n, item) for n in ast.walk(loop)
            ):
                return True
    return False


def _assigned(source: Source, node: ast.AST, name: ast.expr) -> list[ast.expr]:
    """Return what a name was assigned last before a node of the same function."""
    if not isinstance(name, ast.Name):
        return []
    line = node.lineno if isinstance(node, ast.expr | ast.stmt) else 0
    found = [
        one
        for one in own_nodes(scope_of(source, node))
        if isinstance(one, ast.Assign)
        and one.lineno < line
        and [source.text_of(target) for target in one.targets] == [name.id]
    ]
    return [max(found, key=lambda one: one.lineno).value] if found else []


def _drops_blanks(source: Source, node: ast.expr, blanks: set[object]) -> bool:
    """Return whether an expression is `[c for c in x if c != blank]` or `x[x != blank]`."""
    if isinstance(node, ast.ListComp | ast.GeneratorExp):
        read = node.generators[0].iter
        collapsed = isinstance(read, ast.Call) and called_name(read) in COLLAPSING
        tests = [test for one in node.generators for test in one.ifs]
        drops = any(_compares(source, test, blanks, ast.NotEq) for test in tests)
        return drops and not collapsed
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Compare):
        same = source.text_of(node.slice.left) == source.text_of(node.value)
        return same and _compares(source, node.slice, blanks, ast.NotEq)
    return False


def _compares(
    source: Source, test: ast.expr, blanks: set[object], operator: type[ast.cmpop], name: str = ""
) -> bool:
    """Return whether a test compares with the number of the blank."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return False
    if name and source.text_of(test.left) != name:
        return False
    return isinstance(test.ops[0], operator) and _is_blank(source, test.comparators[0], blanks)


def _is_blank(source: Source, node: ast.expr, blanks: set[object]) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) is int and node.value in blanks
    return "blank" in source.text_of(node).lower()


def _skipping_loop(
    source: Source, loop: ast.For, item: str, blanks: set[object]
) -> ast.expr | None:
    """Return the test of a loop that compares with the last item that was not a blank."""
    inside = list(ast.walk(loop))
    tests = (n for n in inside if isinstance(n, ast.Compare) and len(n.ops) == 1)
    for name in dict.fromkeys(other for t in tests if (other := _compared(source, t, item))):
        written = [n for n in inside if _writes(source, n, name)]
        if not all(_takes(source, node, item) for node in written):
            continue
        found = [_guard(source, loop, node, item, blanks) for node in written]
        if found and found[0] is not None and all(found):
            return found[0]
    return None


def _compared(source: Source, test: ast.Compare, item: str) -> str:
    """Return what a test compares the item with: `last` or `letters[-1]`; else nothing."""
    sides = [source.text_of(test.left), source.text_of(test.comparators[0])]
    if item not in sides or not isinstance(test.ops[0], ast.Eq | ast.NotEq):
        return ""
    other = sides[1 - sides.index(item)]
    return other if other.isidentifier() or other.endswith(("[-1]", "- 1]")) else ""


def _writes(source: Source, node: ast.AST, name: str) -> bool:
    """Return whether a node assigns a variable, or appends to the list that `name` ends."""
    if isinstance(node, ast.Assign):
        return name in [source.text_of(target) for target in node.targets]
    appended = f"{name.removesuffix('[-1]')}.append"
    return isinstance(node, ast.Call) and source.text_of(node.func) == appended


def _takes(source: Source, node: ast.AST, item: str) -> bool:
    """Return whether the item itself is assigned or appended."""
    if isinstance(node, ast.Assign):
        return source.text_of(node.value) == item
    return isinstance(node, ast.Call) and [source.text_of(a) for a in node.args] == [item]


def _guard(
    source: Source, loop: ast.For, node: ast.AST, item: str, blanks: set[object]
) -> ast.expr | None:
    """Return the test that keeps blanks from reaching a node of a loop; None if none does."""
    for around in source.ancestors(node):
        if around is loop:
            break
        if isinstance(around, ast.If) and not any(node in ast.walk(s) for s in around.orelse):
            parts = _parts(around.test, ast.And)
            if any(_compares(source, part, blanks, ast.NotEq, item) for part in parts):
                return around.test
    for statement in loop.body:
        if any(one is node for one in ast.walk(statement)):
            return None
        if isinstance(statement, ast.If) and isinstance(statement.body[0], ast.Continue):
            parts = _parts(statement.test, ast.Or)
            if any(_compares(source, part, blanks, ast.Eq, item) for part in parts):
                return statement.test
    return None


def _parts(test: ast.expr, joined: type[ast.boolop]) -> list[ast.expr]:
    """Return the parts of a test that `and`, or `or`, joins."""
    several = isinstance(test, ast.BoolOp) and isinstance(test.op, joined)
    return test.values if several and isinstance(test, ast.BoolOp) else [test]
