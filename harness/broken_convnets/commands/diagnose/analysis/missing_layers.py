"""A layer of a container that is None, and the user's function that returned None for it.

torch accepts None as a layer of nn.Sequential, nn.ModuleList and nn.ModuleDict; the container fails
when it runs.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, TypeAlias

from torch import nn

from broken_convnets.commands.diagnose.analysis.returns import Callee, callee_of, source_of_none
from broken_convnets.commands.diagnose.analysis.user_frames import Scope
from broken_convnets.commands.diagnose.sites import site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site

Container: TypeAlias = nn.Sequential | nn.ModuleList | nn.ModuleDict


def missing_layer(evidence: Evidence) -> tuple[str, Callee] | None:
    """Return what is None in a container, and the function that returned it."""
    for built in evidence.record.constructions:
        container = built.object()
        name = _none_in(container) if isinstance(container, Container) else ""
        site = site_of(evidence, built.places) if name else None
        found = _returning_none(evidence, site, container) if site else None
        if found is not None:
            return f"layer {name} of the {type(container).__name__}", found
    return None


def _none_in(container: Container) -> str:
    layers = container.items() if isinstance(container, nn.ModuleDict) else enumerate(container)
    return next((str(name) for name, layer in layers if layer is None), "")


def _returning_none(evidence: Evidence, site: Site, container: object) -> Callee | None:
    scope = _scope(evidence, site, container)
    for call in _calls(site):
        called = callee_of(evidence, call, scope)
        found = source_of_none(evidence, called) if called else None
        if found is not None:
            return found
    return None


def _calls(site: Site) -> Iterator[ast.Call]:
    """Yield the calls in the constructor's arguments, then those whose results are used nearby."""
    function = site.source.function_of(site.call) or site.source.tree
    for root in (site.call, function):
        unused = {id(n.value) for n in ast.walk(root) if isinstance(n, ast.Expr)}
        yield from (
            node for node in ast.walk(root) if isinstance(node, ast.Call) and id(node) not in unused
        )


def _scope(evidence: Evidence, site: Site, container: object) -> Scope:
    """Return the names that the code of a constructor's call can read: globals and `self`."""
    world = next((f.scope.world for f in evidence.frames if f.source is site.source), {})
    function = site.source.function_of(site.call)
    names = [argument.arg for argument in function.args.args[:1]] if function else []
    owners = (built.object() for built in evidence.record.constructions)
    owner = next((one for one in owners if _holds(one, container)), None)
    return Scope(dict.fromkeys(names, owner) if owner else {}, world)


def _holds(owner: object, container: object) -> bool:
    return isinstance(owner, nn.Module) and any(one is container for one in owner.children())
