"""Follow a constructor's argument to the number in the user's source, and replace it there."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose.analysis.sizes.definitions import (
    attribute_values,
    local_value,
)
from broken_convnets.commands.diagnose.analysis.sizes.layers import position
from broken_convnets.commands.diagnose.analysis.sizes.loops import looped_item
from broken_convnets.commands.diagnose.sites import site_of
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Construction
    from broken_convnets.observe.recorder.scopes import Scope

Function = ast.FunctionDef | ast.AsyncFunctionDef
DEPTH = 6  # of functions and assignments that a number is followed through


@dataclass(frozen=True)
class Spot:
    """An expression that determines an argument, and the integers that it could name."""

    source: Source
    node: ast.expr
    scope: Scope = field(default_factory=dict)


def constructor(evidence: Evidence, construction: Construction | None) -> Site | None:
    """Return the constructor's call in the user's source; None if a library calls it."""
    if construction is None or not construction.direct:
        return None
    site = site_of(evidence, construction.places)
    if site is None or called_name(site.call).endswith(("__init__", "deepcopy")):
        return None
    return site


def spots(
    evidence: Evidence, construction: Construction | None, module: nn.Module, name: str
) -> list[Spot]:
    """Return the expressions that determine an argument, the constructor's own first."""
    site = constructor(evidence, construction)
    node = argument(site.call, name, position(module, name)) if site else None
    if site is None or node is None or construction is None:
        return []
    return spots_of(evidence, site.source, node, construction)


def spots_of(
    evidence: Evidence, source: Source, node: ast.expr, construction: Construction
) -> list[Spot]:
    """Return the expressions that determine `node`, which a constructor's function contains."""
    return list(_follow(evidence, construction, _Found(source, node, construction.places)))


class _Found(NamedTuple):
    """An expression, and the user's places on the stack at the time, the innermost first."""

    source: Source
    node: ast.expr
    places: Sequence[Place]


def _follow(
    evidence: Evidence, construction: Construction, found: _Found, depth: int = DEPTH
) -> Iterator[Spot]:
    """Yield an expression, and those that its name stands for, through calls and assignments."""
    level = len(construction.places) - len(found.places)
    scopes = construction.scopes
    yield Spot(found.source, found.node, scopes[level] if level < len(scopes) else {})
    if depth:
        listed = _listed(evidence, construction, found)
        for behind in [listed] if listed else _definitions(evidence, found):
            yield from _follow(evidence, construction, behind, depth - 1)


def _listed(
    evidence: Evidence, construction: Construction, found: _Found, depth: int = DEPTH
) -> _Found | None:
    """Return the item of a list in the source that a loop's name stands for."""
    if not isinstance(found.node, ast.Name):
        return None
    item = looped_item(found.source, found.node, _turn(evidence, construction))
    at = _Found(found.source, item[0], found.places) if item else None
    while at is not None and depth and not isinstance(at.node, ast.List | ast.Tuple):
        at, depth = next(_definitions(evidence, at), None), depth - 1
    if at is None or item is None or not isinstance(at.node, ast.List | ast.Tuple):
        return None
    items = at.node.elts
    plain = not any(isinstance(one, ast.Starred) for one in items) and item[1] < len(items)
    return at._replace(node=items[item[1]]) if plain else None


def _turn(evidence: Evidence, construction: Construction) -> int:
    """Return how many layers were constructed at the same place before, in one call."""
    same = [one for one in evidence.record.constructions if one.places == construction.places]
    return next((turn for turn, one in enumerate(same) if one is construction), 0)


def _definitions(evidence: Evidence, found: _Found) -> Iterator[_Found]:
    source, node, places = found
    if isinstance(node, ast.Name):
        function = source.function_of(node)
        if function is not None and node.id in parameters(function):
            yield from _passed(evidence, found, function, node.id)
            return
        value = local_value(source, node)
        if value is not None:
            yield _Found(source, value, places)
    elif isinstance(node, ast.Attribute | ast.Subscript):
        for other, value in attribute_values(evidence, source, node):
            yield _Found(other, value, _from_function(other, value, places))


def _passed(evidence: Evidence, found: _Found, function: Function, name: str) -> Iterator[_Found]:
    """Yield what a parameter is called with, else its default."""
    source, places = found.source, found.places
    inside = next((i for i, one in enumerate(places) if place_in(one, source, function)), None)
    outer = places[inside + 1 :] if inside is not None else ()
    site = site_of(evidence, outer)
    passed = (
        argument(site.call, name, parameter_position(function, name)) if site is not None else None
    )
    if site is not None and passed is not None:
        yield _Found(site.source, passed, outer)
        return
    default = _default(function, name)
    if default is not None:
        yield _Found(source, default, ())


def parameter_position(function: Function, name: str) -> int | None:
    """Return the position of a parameter, `self` left out; None if it needs a keyword."""
    positional = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    bound = positional[:1] in (["self"], ["cls"])
    return positional.index(name) - bound if name in positional else None


def parameters(function: Function) -> list[str]:
    """Return the names of a function's parameters."""
    arguments = function.args
    return [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def _default(function: Function, name: str) -> ast.expr | None:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    from_end = zip(reversed(positional), reversed(arguments.defaults), strict=False)
    by_keyword = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    pairs = [*from_end, *by_keyword]
    return next((value for one, value in pairs if one.arg == name and value is not None), None)


def _from_function(source: Source, node: ast.expr, places: Sequence[Place]) -> Sequence[Place]:
    """Return the places from the function that contains `node` outward."""
    function = source.function_of(node)
    if function is None:
        return ()
    for i, place in enumerate(places):
        if place_in(place, source, function):
            return places[i:]
    return ()


def place_in(place: Place, source: Source, function: Function) -> bool:
    """Return whether a place is in a function's own code."""
    lines = range(function.lineno, (function.end_lineno or function.lineno) + 1)
    return place.file == source.path and place.function == function.name and place.line in lines
