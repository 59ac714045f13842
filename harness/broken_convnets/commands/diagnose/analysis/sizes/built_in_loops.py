"""Changes of loops that construct layers: the assignment that one lacks, or its reversal."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.arguments import Spot, constructor, spots
from broken_convnets.commands.diagnose.analysis.sizes.layers import declared, output_argument
from broken_convnets.commands.diagnose.edits import insert_after, replace

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.analysis.sizes.lineage import Origin
    from broken_convnets.commands.diagnose.analysis.sizes.mismatch import Mismatch


def carried_changes(one: Mismatch, made: Origin) -> list[Change]:
    """Return the assignment that a loop lacks if it constructs each layer for the same input.

    In `for width in widths: layers.append(block(channels, width))`, `channels = width` is missing.
    """
    if made.layer is None:
        return []
    name = output_argument(made.layer)
    outputs = spots(one.evidence, made.construction, made.layer, name)
    for inside in spots(one.evidence, one.construction, one.layer, one.argument):
        loops = [n for n in inside.source.loops_around(inside.node) if isinstance(n, ast.For)]
        if not loops or not isinstance(inside.node, ast.Name):
            continue
        for outside in outputs:
            if _in_one_call(inside, outside) and outside.node is not inside.node:
                text = f"{inside.node.id} = {outside.source.text_of(outside.node)}"
                return [partial(insert_after, inside.source, loops[0].body[-1], text)]
    return []


def _in_one_call(one: Spot, other: Spot) -> bool:
    call = one.source.parent(one.node)
    return isinstance(call, ast.Call) and call is other.source.parent(other.node)


def reversed_changes(one: Mismatch) -> list[Change]:
    """Return the reversal of a loop whose last layer, not its first, fits what arrives."""
    site = constructor(one.evidence, one.construction)
    loops = site.source.loops_around(site.call) if site else []
    if site is None or one.construction is None or not loops or not isinstance(loops[0], ast.For):
        return []
    place, items = one.construction.places[0], loops[0].iter
    made = [c.object() for c in one.evidence.record.constructions if c.places[:1] == (place,)]
    alike = [module for module in made if type(module) is type(one.layer)]
    if alike[:1] != [one.layer] or declared(alike[-1], one.argument) != one.arriving:
        return []
    text = site.source.text_of(items)
    texts = [f"reversed({text})", f"reversed(list({text}))"]
    return [partial(replace, site.source, [(items, text)]) for text in texts]
