"""Changes of the constructor of a network that loads a state of other sizes."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.sizes.changes import Wanted, argument_changes
from broken_convnets.commands.diagnose.analysis.sizes.layers import input_argument, output_argument
from broken_convnets.commands.diagnose.analysis.user_frames import UNKNOWN
from broken_convnets.commands.diagnose.sites import Site, site_of
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.loads import Load
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence

Attempt = tuple[int, "Callable[[], Patch]"]


def rebuilt(evidence: Evidence, load: Load, here: int, there: int) -> Iterator[Attempt]:
    """Yield the network's constructor with the saved number, from the checkpoint if it has it.

    `here` is the number that the network has, `there` the one of the state.
    """
    built = evidence.record.construction(load.module)
    site = site_of(evidence, built.places) if built else None
    if built is None or site is None:
        return
    for place, (name, value) in enumerate(built.arguments.items()):
        if value != here or isinstance(value, bool):
            continue
        texts = [
            _from_checkpoint(load, name),
            _as_elsewhere(evidence, load, site, name, there),
            str(there),
        ]
        for rank, text in enumerate(dict.fromkeys(filter(None, texts))):
            yield rank, partial(edits.set_argument, site.source, site.call, name, place, text)


def layer_rebuilt(
    evidence: Evidence, load: Load, key: str, here: int, there: int
) -> Iterator[Attempt]:
    """Yield the changes of the layer's own argument whose number is that of the state."""
    layer = load.module.get_submodule(key.rpartition(".")[0])
    for name in filter(None, (output_argument(layer), input_argument(layer))):
        if getattr(layer, name, None) == here:
            built = evidence.record.construction(layer)
            changes = argument_changes(evidence, built, layer, name, Wanted(there, here))
            yield from enumerate(changes)
            return


def _from_checkpoint(load: Load, name: str) -> str:
    """Return `checkpoint["depth"]` if the mapping around the state has that number too."""
    node = load.node
    if not isinstance(node, ast.Subscript):
        return ""
    checkpoint = load.frame.value(node.value)
    if checkpoint is UNKNOWN or not isinstance(checkpoint, dict) or name not in checkpoint:
        return ""
    return f'{load.frame.source.text_of(node.value)}["{name}"]'


def _as_elsewhere(evidence: Evidence, load: Load, own: Site, name: str, there: int) -> str:
    """Return how another network of the class is constructed with the number, by global names."""
    world = load.frame.scope.world
    for built in evidence.record.constructions:
        if built.type != type(load.module).__name__ or built.arguments.get(name) != there:
            continue
        site = site_of(evidence, built.places)
        node = argument(site.call, name, list(built.arguments).index(name)) if site else None
        if site is None or node is None or site.source is not own.source:
            continue
        names = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id != "len"]
        if names and all(one in world for one in names):
            return site.source.text_of(node)
    return ""
