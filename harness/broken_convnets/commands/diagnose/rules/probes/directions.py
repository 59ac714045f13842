"""Where a recurrent layer is made bidirectional."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.rules.structure.last_steps import BIDIRECTIONAL, LAYERS
from broken_convnets.commands.diagnose.sites import (
    assignments,
    location,
    location_in,
    site_of,
)
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Location
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.places import Place


def line_of_directions(evidence: Evidence, place: Place) -> Location | None:
    """Return the line that makes the layer called at a place bidirectional; None if none is."""
    layers = (
        one
        for one in evidence.record.operators
        if one.name in LAYERS and one.place == place and one.literals.get(BIDIRECTIONAL) is True
    )
    layer = next(layers, None)
    built = evidence.record.construction_of(layer) if layer is not None else None
    site = site_of(evidence, built.places) if built is not None else None
    if built is None or site is None:
        return None
    given = argument(site.call, "bidirectional")
    if given is None:
        return location(built.places)
    return location_in(site.source, _constant(site.source, given) or given)


def _constant(source: Source, given: ast.expr) -> ast.expr | None:
    """Return the only constant that a variable of an argument is assigned; None if unknown."""
    scope = source.function_of(given) or source.tree
    names = [n for n in ast.walk(given) if isinstance(n, ast.Name | ast.Attribute)]
    found = {
        one.value
        for name in names
        for one in assignments(source, source.text_of(name), scope)
        if isinstance(one.value, ast.Constant) and one.lineno < given.lineno
    }
    return found.pop() if len(found) == 1 else None
