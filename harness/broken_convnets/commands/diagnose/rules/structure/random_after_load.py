"""After a load with strict=False, no layer that infers is still random."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.edits import EditError
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    location_in,
    require_success,
    site_of,
)
from broken_convnets.commands.diagnose.source import Source, argument
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.weight_loads import WeightLoad


@rule(
    "every layer that infers after a load of weights has loaded or trained weights",
    stays_quiet="about layers that are not called, or trained, loaded or set after the load; about "
    "networks that compute losses afterwards; and unless the program has an entry of the same "
    "shape that could be loaded",
)
def random_after_load(evidence: Evidence) -> Iterator[Finding]:
    """Find inference with a layer that load_state_dict(strict=False) left at random values."""
    require_success(evidence)
    for load in evidence.record.weight_loads:
        random = load.still_random()
        forward = _inference(evidence, load, random) if random and load.loaded else None
        if forward is None:
            continue
        site = site_of(evidence, load.places)
        left_out = _left_out(site) if site else None
        yield Finding(
            kind="state/head_not_loaded",
            message=f"{random[0]} keeps its random initial values: load_state_dict(strict=False) "
            "does not load it",
            evidence=f"{len(load.missing)} of {len(load.missing) + load.loaded} entries are "
            "missing in the state_dict, and nothing trains or sets them before inference",
            violates=(Law.CHECKPOINT_RESTORES_OUTPUT,),
            cause=location_in(site.source, left_out)
            if site and left_out
            else location(load.places),
            symptom=location(forward.places),
            subject=random[0],
            module=random[0].rpartition(".")[0],
            cases=("state/head_not_loaded",),
            candidates=_whole(site, left_out) if site and left_out else (),
            confidence=6,
        )
        return


def _inference(evidence: Evidence, load: WeightLoad, random: list[str]) -> ForwardPass | None:
    """Return a pass in eval mode after the load that calls a layer of random values."""
    module = load.module()
    found = None
    for forward in evidence.record.passes:
        root = forward.network()
        after = forward.moment.operators >= load.moment.operators
        if root is None or module is None or not after or not forward.whole:
            continue
        if module not in root.modules():
            continue
        if evidence.flow.is_in_loss(forward):
            return None
        owners = {id(module.get_submodule(name.rpartition(".")[0])) for name in random}
        is_called = any(id(call.module()) in owners for call in forward.calls)
        if is_called and not forward.training:
            found = found or forward
    return found


def _left_out(site: Site) -> ast.Assign | None:
    """Return the assignment that filters the state_dict by its names, before the load."""
    state = argument(site.call, "state_dict", 0)
    scope = site.source.function_of(site.call) or site.source.tree
    if not isinstance(state, ast.Name):
        return None
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign) and site.source.text_of(node.targets[0]) == state.id:
            value = node.value
            if isinstance(value, ast.DictComp) and any(g.ifs for g in value.generators):
                return node
    return None


def _whole(site: Site, left_out: ast.Assign) -> tuple[Candidate, ...]:
    """Return the patch that loads the whole state_dict, strictly."""
    return candidates((0, lambda: _load_all(site, left_out)))


def _load_all(site: Site, left_out: ast.Assign) -> Patch:
    source, value = site.source, left_out.value
    state = argument(site.call, "state_dict", 0)
    owner = value.generators[0].iter if isinstance(value, ast.DictComp) else None
    if not isinstance(owner, ast.Call) or not isinstance(owner.func, ast.Attribute) or not state:
        message = "the filter does not go through the items of one state_dict"
        raise EditError(message)
    whole = source.text_of(owner.func.value)
    text = f"{source.text_of(site.call.func)}({whole})"
    loaded = edits.replace(source, [(site.call, text)])[source.path]
    if whole != source.text_of(state):
        return {source.path: loaded}
    again = Source(source.path, loaded)
    statement = again.statement_at(left_out.lineno)
    if statement is None:
        message = "the filter is not a statement of its own"
        raise EditError(message)
    return edits.delete(again, statement)
