"""Propose changes for two operands of which one has fewer dimensions."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.definitions import local_value
from broken_convnets.commands.diagnose.analysis.sizes.expressions import wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.sizes.mismatch import Group
    from broken_convnets.commands.diagnose.analysis.sizes.operands import Operands


def rank_changes(found: Operands) -> Iterator[Group]:
    """Yield new dimensions of size 1 for the operand that has fewer, where it is made or used."""
    if found.nodes is None:
        return
    shapes = (found.left.shape, found.right.shape)
    place = 0 if len(shapes[0]) < len(shapes[1]) else 1
    source, node = found.nodes[place]
    made = local_value(source, node) if isinstance(node, ast.Name) else None
    first = made is not None and not source.text_of(made).startswith("self.")
    for rank, template in _new_dimensions(shapes[place], shapes[1 - place]):
        at_origin = [wrapped(source, made, template)] if made is not None else []
        yield rank + (not first), "", at_origin
        yield rank + first, "", [wrapped(source, node, template)]


def _new_dimensions(few: tuple[int, ...], many: tuple[int, ...]) -> Iterator[tuple[int, str]]:
    """Yield (rank, template) for the places where dimensions of size 1 make the shapes fit."""
    missing = len(many) - len(few)
    if few and few == many[: len(few)]:
        yield 0, f"{{}}[{', '.join([':'] * len(few) + ['None'] * missing)}]"
    if len(few) == 1 and missing > 1 and few[0] == many[1]:
        yield 0, f"{{}}[:{', None' * (len(many) - 2)}]"
    for at in range(len(few) + 1):
        if missing == 1 and _broadcasts((*few[:at], 1, *few[at:]), many):
            yield 2, f"{{}}.unsqueeze({at})"


def _broadcasts(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(a in {1, b} for a, b in zip(one, other, strict=True))
