"""A loop over the layers of a network runs through all of them."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.callables import class_sources
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

Layers = nn.ModuleList | nn.Sequential | nn.ModuleDict


class EndedLoop(NamedTuple):
    """A loop over `layers`, and the `return` that ends it in its first turn."""

    source: Source
    loop: ast.For
    returned: ast.Return
    text: str
    layers: list[nn.Module]


@rule(
    "a loop over layers runs through all of them",
    stays_quiet="if one of the later layers runs anywhere, and about a return under a condition",
)
def loop_over_layers_returns(evidence: Evidence) -> Iterator[Finding]:
    """Find a `return` that is indented into a loop over a ModuleList."""
    called = {id(m) for one in evidence.record.called if (m := one.module()) is not None}
    if evidence.record.called.omitted:
        return
    for found in ended_loops(evidence):
        first, *rest = found.layers
        if id(first) not in called or any(id(layer) in called for layer in rest):
            continue
        out = partial(edits.move, found.source, found.returned, found.loop, after=True)
        yield Finding(
            kind="training/unused_layer",
            message=f"the loop over {found.text} returns in its first turn",
            evidence=f"`{found.source.text_of(found.returned)}` is inside of the loop, so that "
            f"{len(rest)} of {len(found.layers)} layers never run",
            cause=location_in(found.source, found.returned),
            subject=found.text,
            candidates=candidates((0, out)),
            confidence=11,
        )
        return


def ended_loops(evidence: Evidence) -> Iterator[EndedLoop]:
    """Yield the loops over layers of a network whose last statement is a return."""
    for network in evidence.record.constructed_modules():
        for source in class_sources(evidence, network):
            for loop in source.statements:
                last = loop.body[-1] if isinstance(loop, ast.For) else None
                if not isinstance(loop, ast.For) or not isinstance(last, ast.Return):
                    continue
                text = source.text_of(loop.iter)
                layers = _layers(network, text.removeprefix("self.").removesuffix(".values()"))
                owner = source.class_of(loop)
                if len(layers) > 1 and owner is not None and owner.name == type(network).__name__:
                    yield EndedLoop(source, loop, last, text, layers)


def _layers(network: nn.Module, name: str) -> list[nn.Module]:
    held = getattr(network, name, None) if name.isidentifier() else None
    return list(held.children()) if isinstance(held, Layers) else []
