"""Solve arithmetic for one of its names: which `image` makes `(image // patch) ** 2` be 16."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.arguments import spots_of
from broken_convnets.commands.diagnose.analysis.sizes.arithmetic import evaluate
from broken_convnets.commands.diagnose.edits import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.sizes.arguments import Spot
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Construction

LARGEST = 2048


def solved_changes(
    evidence: Evidence,
    construction: Construction,
    spot: Spot,
    number: int,
    shapes: tuple[int, ...],
) -> Iterator[tuple[bool, partial[Patch]]]:
    """Yield the changes of the numbers behind the names of an expression.

    Each comes with whether the new number is one of `shapes`, the sizes of the data: then the old
    one describes data that the program does not have.
    """
    for name in _names(spot.node):
        text = ast.unparse(name)
        now = spot.scope.get(text)
        solution = _solution(spot, text, number, shapes) if now is not None else None
        if solution is None or solution == now:
            continue
        for behind in spots_of(evidence, spot.source, name, construction)[1:]:
            if isinstance(behind.node, ast.Constant):
                change = partial(replace, behind.source, [(behind.node, str(solution))])
                yield solution in shapes and now not in shapes, change
            elif isinstance(behind.node, ast.BinOp) and behind.scope:
                yield from solved_changes(evidence, construction, behind, solution, shapes)


def _names(node: ast.expr) -> list[ast.expr]:
    """Return the names and attributes in an expression, each text once."""
    found = [n for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute)]
    inside = {id(n.value) for n in found if isinstance(n, ast.Attribute)}
    return list({ast.unparse(n): n for n in found if id(n) not in inside}.values())


def _solution(spot: Spot, name: str, number: int, shapes: tuple[int, ...]) -> int | None:
    """Return a number for a name, one of the data's sizes if any fits, else the smallest."""
    candidates: list[int] = [*shapes, *range(1, LARGEST)]
    for candidate in candidates:
        if evaluate(spot.node, {**spot.scope, name: candidate}) == number:
            return candidate
    return None
