"""Anchors of several aspect ratios have several shapes: one side grows as the other one shrinks.

Ren et al., Faster R-CNN (2015), section 3.1.1: a width of scale * sqrt(ratio) belongs to a height
of scale / sqrt(ratio).
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location_in, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

RATIO = re.compile(r"aspect|ratio|(^|_)ars?($|_)", re.IGNORECASE)
BOX = 4  # numbers


@rule(
    "anchors of several aspect ratios are not all squares",
    stays_quiet="unless two assignments in a row have the same product or quotient with the "
    "variable of a loop over aspect ratios, inside of a loop over sizes, both are a part of the "
    "four numbers of a box, and the program makes tensors of boxes in this file",
)
def anchors_are_squares(evidence: Evidence) -> Iterator[Finding]:
    """Find a width and a height that are multiplied by the same root of the aspect ratio."""
    require_success(evidence)
    files = {
        one.places[0].file
        for one in evidence.record.operators
        if one.places and any(v.shape[-1:] == (BOX,) for v in one.outputs)
    }
    for file in sorted(files):
        source = evidence.source(file)
        for one, other in _equal_sides(source) if source else ():
            assert source is not None  # noqa: S101  (for the type checker)
            text = source.text_of(other.value)
            yield Finding(
                kind="detection",
                message="the anchors of all aspect ratios are squares",
                evidence=f"`{source.text_of(one)}` and `{source.text_of(other)}` are the same "
                "number for every aspect ratio; where one side is multiplied by the root of the "
                "ratio, the other one is divided by it",
                cause=location_in(source, other),
                symptom=location_in(source, one),
                subject=text,
                confidence=7,
            )
            return


def _equal_sides(source: Source) -> Iterator[tuple[ast.Assign, ast.Assign]]:
    """Yield pairs of assignments, the second right after the first, of one expression."""
    for one in source.statements:
        if not isinstance(one, ast.Assign) or not isinstance(one.value, ast.BinOp):
            continue
        block = source.block_of(one)
        following = block[block.index(one) + 1 :][:1]
        other = following[0] if following else None
        if not isinstance(other, ast.Assign) or ast.dump(one.value) != ast.dump(other.value):
            continue
        names = [t.id for a in (one, other) for t in a.targets if isinstance(t, ast.Name)]
        if len(set(names)) == 2 and _has_ratio(source, one) and _is_box(source, one, names):  # noqa: PLR2004  (width, height)
            yield one, other


def _has_ratio(source: Source, statement: ast.Assign) -> bool:
    """Return whether a value depends on the variables of two loops, one over aspect ratios."""
    used = {n.id for n in ast.walk(statement.value) if isinstance(n, ast.Name)}
    loops = [one for one in source.loops_around(statement) if isinstance(one, ast.For)]
    own = [n.id for one in loops for n in ast.walk(one.target) if isinstance(n, ast.Name)]
    ratios = [
        n.id
        for one in loops
        for n in ast.walk(one.target)
        if isinstance(n, ast.Name)
        and (RATIO.search(n.id) or RATIO.search(source.text_of(one.iter)))
    ]
    return bool(used & set(ratios)) and len(used & set(own)) > 1


def _is_box(source: Source, statement: ast.Assign, names: list[str]) -> bool:
    """Return whether both names are a part of four different numbers."""
    for node in ast.walk(source.function_of(statement) or source.tree):
        if isinstance(node, ast.List | ast.Tuple) and len(node.elts) == BOX:
            read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            if set(names) <= read and len({ast.dump(one) for one in node.elts}) == BOX:
                return True
    return False
