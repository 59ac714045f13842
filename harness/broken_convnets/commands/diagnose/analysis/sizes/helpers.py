"""Functions that construct one layer with the sizes that they are called with, as `conv3x3` does.

The sizes are chosen where such a function is called, not in it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.arguments import (
    Function,
    constructor,
    parameter_position,
    parameters,
    place_in,
)
from broken_convnets.commands.diagnose.analysis.sizes.layers import (
    CONVOLUTIONS,
    declared,
    input_argument,
    output_argument,
    position,
)
from broken_convnets.commands.diagnose.findings import Location
from broken_convnets.commands.diagnose.sites import Site, site_of
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Construction

WITH_SIZES = {*CONVOLUTIONS, "Linear"}
DEPTH = 4  # of such functions


@dataclass(frozen=True)
class Chosen:
    """The call that chooses some arguments of a layer, these arguments, and its places."""

    site: Site
    nodes: tuple[ast.expr, ...]
    places: Sequence[Place]
    helpers: int = 0  # how many functions are between it and the constructor

    @property
    def location(self) -> Location:
        """The line of the first of the arguments."""
        return Location(self.site.source.path, self.nodes[0].lineno)


def chosen_call(
    evidence: Evidence, construction: Construction | None, module: nn.Module, *names: str
) -> Chosen | None:
    """Return the call that chooses arguments of a layer's constructor; None if one is missing."""
    site = constructor(evidence, construction)
    if site is None or construction is None:
        return None
    found = [argument(site.call, name, position(module, name)) for name in names]
    nodes = tuple(node for node in found if node is not None)
    if len(nodes) < len(names):
        return None
    chosen = Chosen(site, nodes, construction.places)
    works = _works_elsewhere(evidence, construction, module)
    while chosen.helpers < DEPTH and (outer := _outer(evidence, chosen, works=works)):
        chosen, works = outer, False
    return chosen


def _works_elsewhere(evidence: Evidence, construction: Construction, module: nn.Module) -> bool:
    """Return whether a layer with other sizes was constructed at the same place, and has run.

    Then the sizes are right there, and wrong where the function around it is called.
    """
    place = construction.places[:1]
    called = (one.module() for one in evidence.record.called)
    others = [one for one in called if one is not module and type(one) is type(module)]
    for other in (one for one in others if one is not None and output_argument(one)):
        built = evidence.record.construction(other)
        same = built is not None and built.places[:1] == place
        inside, outside = input_argument(other), output_argument(other)
        if same and declared(other, inside) != declared(other, outside):
            return True
    return False


@dataclass(frozen=True)
class Setting:
    """The call in which one argument of a layer is written or left out, and its name there."""

    site: Site
    name: str
    position: int | None
    node: ast.expr | None


def setting_of(
    evidence: Evidence, construction: Construction | None, module: nn.Module, name: str
) -> Setting | None:
    """Return where an argument of a layer's constructor is set, or would be."""
    site = constructor(evidence, construction)
    if site is None or construction is None:
        return None
    places: Sequence[Place] = construction.places
    at = position(module, name)
    found = Setting(site, name, at, argument(site.call, name, at))
    while isinstance(found.node, ast.Name) and _constructs_one_layer(evidence, places):
        function, outer = (
            found.site.source.function_of(found.site.call),
            site_of(evidence, places[1:]),
        )
        if function is None or outer is None or found.node.id not in parameters(function):
            break
        name, at = found.node.id, parameter_position(function, found.node.id)
        found, places = Setting(outer, name, at, argument(outer.call, name, at)), places[1:]
    return found


def _outer(evidence: Evidence, at: Chosen, *, works: bool) -> Chosen | None:
    """Return the call that passes all the arguments on; None if the function does more."""
    source, place = at.site.source, at.places[0]
    function = source.function_of(at.site.call)
    if function is None or not (works or _constructs_one_layer(evidence, at.places)):
        return None
    names = [node.id for node in at.nodes if isinstance(node, ast.Name)]
    if len(names) < len(at.nodes) or not set(names) <= set(parameters(function)):
        return None
    if not place_in(place, source, function) or _is_assigned(function, names):
        return None
    outer = site_of(evidence, at.places[1:])
    if outer is None:
        return None
    found = [argument(outer.call, name, parameter_position(function, name)) for name in names]
    nodes = tuple(node for node in found if node is not None)
    if len(nodes) < len(names):
        return None
    return Chosen(outer, nodes, at.places[1:], at.helpers + 1)


def _constructs_one_layer(evidence: Evidence, places: Sequence[Place]) -> bool:
    """Return whether a call of a function constructs layers with weights at one place only."""
    made = [one for one in evidence.record.constructions if one.type in WITH_SIZES]
    lines = {_place_inside(one.places, places[1:]) for one in made}
    return lines <= {places[0], None}


def _place_inside(places: Sequence[Place], outside: Sequence[Place]) -> Place | None:
    """Return where a stack is in the function that is called at the places `outside`.

    Only the innermost places of a stack are recorded, so that outer ones may be missing.
    """
    for depth in range(1, len(places) + bool(not outside)):
        rest = places[depth:]
        if tuple(rest) == tuple(outside[: len(rest)]):
            return places[depth - 1]
    return None


def _is_assigned(function: Function, names: list[str]) -> bool:
    stores = (n for n in ast.walk(function) if isinstance(n, ast.Name))
    return any(isinstance(node.ctx, ast.Store) and node.id in names for node in stores)
