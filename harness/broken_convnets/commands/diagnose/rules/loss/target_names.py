"""Names of targets in the source of an evaluation."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.sites import assigned_name, site_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.values import Value


def name_of_target(evidence: Evidence, forward: ForwardPass, target: Value) -> str:
    """Return the variable that has a target where a network is called; empty if it is unknown."""
    network = site_of(evidence, forward.places)
    if network is None:
        return ""
    return _assigned(evidence, network, target) or _of_batch(network)


def _assigned(evidence: Evidence, network: Site, target: Value) -> str:
    """Return the variable that the last operator on a target is assigned to."""
    users = evidence.flow.consumers(target)
    producer = evidence.record.producer(target)
    last = users[-1] if users else producer
    for place in last.places if last else ():
        site = _site_in_function(evidence, network, (place,))
        name = assigned_name(site.source, site.statement) if site else ""
        if name:
            return name
    return ""


def _site_in_function(evidence: Evidence, network: Site, places: Sequence[Place]) -> Site | None:
    site = site_of(evidence, places)
    if site is None or site.source is not network.source:
        return None
    same = site.source.function_of(site.call) is network.source.function_of(network.call)
    return site if same else None


def _of_batch(network: Site) -> str:
    """Return the second of two variables of the loop over batches, the first being the input."""
    loop = next((one for one in network.source.loops_around(network.call)), None)
    target = loop.target if isinstance(loop, ast.For) else None
    if isinstance(target, ast.Tuple) and len(target.elts) == 2:  # noqa: PLR2004  (input and target)
        names = [one.id for one in target.elts if isinstance(one, ast.Name)]
        used = {node.id for node in ast.walk(network.call) if isinstance(node, ast.Name)}
        rest = [name for name in names if name not in used]
        return rest[0] if len(names) == 2 and len(rest) == 1 else ""  # noqa: PLR2004  (as above)
    return ""
