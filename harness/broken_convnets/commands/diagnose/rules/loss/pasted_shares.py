"""Where the share of the pasted area is computed, in the function that pastes."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.rules.loss.mixtures import PASTE
from broken_convnets.commands.diagnose.sites import location_in
from broken_convnets.commands.diagnose.source import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Location
    from broken_convnets.commands.diagnose.rules.loss.mixtures import Mixture
    from broken_convnets.commands.diagnose.source import Source


def line_of_share(evidence: Evidence, inputs: Mixture, labels: Mixture) -> Location | None:
    """Return the only line that computes an area's share for the loss; None if there is none."""
    place, loss = inputs.operator.place, labels.operator.place
    source = evidence.source(place.file) if place is not None else None
    pasting = source.statement_at(place.line) if source and place else None
    if source is None or pasting is None or inputs.operator.name != PASTE or loss is None:
        return None
    function = source.function_of(pasting)
    scope: ast.AST = function or source.tree
    passed = [n.value for n in _within(scope) if isinstance(n, ast.Return) and n.value]
    user = source.expression_at(loss) if loss.file == source.path else None
    if user is not None and source.function_of(user) is function:
        passed.append(user)
    names = {n.id for one in passed for n in ast.walk(one) if isinstance(n, ast.Name)}
    lines = [one for one in passed if one is not user for one in _quotients(one)]
    for name in names:
        lines += _last_share(source, scope, name)
    found = {location_in(source, one) for one in lines}
    return found.pop() if len(found) == 1 else None


def _within(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function, those of functions inside of it left out."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, (*FUNCTIONS, ast.ClassDef)):
            yield child
            yield from _within(child)


def _last_share(source: Source, scope: ast.AST, name: str) -> list[ast.expr]:
    """Return the value of the last assignment of a name, if that divides an area by another."""
    values = [
        node.value
        for node in _within(scope)
        if isinstance(node, ast.Assign) and any(source.text_of(t) == name for t in node.targets)
    ]
    last = max(values, key=lambda one: one.lineno, default=None)
    return [last] if last is not None and any(_quotients(last)) else []


def _quotients(node: ast.expr) -> list[ast.expr]:
    """Return the divisions of a product: an area has a height and a width."""
    return [
        one
        for one in ast.walk(node)
        if isinstance(one, ast.BinOp)
        and isinstance(one.op, ast.Div)
        and any(isinstance(n, ast.BinOp) and isinstance(n.op, ast.Mult) for n in ast.walk(one))
    ]
