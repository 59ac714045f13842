"""How an optimizer gets the parameters that it misses: the whole network's, or a later line."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.sites import (
    Site,
    assignments,
    candidates,
    site_of,
)
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.passes import ForwardPass


def parameter_list(site: Site) -> ast.stmt | None:
    """Return the assignment of the list of parameters, if the optimizer receives a name."""
    given = argument(site.call, "params", 0)
    function = site.source.function_of(site.call) or site.source.tree
    if not isinstance(given, ast.Name):
        return None
    found = [a for a in assignments(site.source, given.id, function) if a.lineno < site.call.lineno]
    return found[0] if len(found) == 1 else None


def fixes(
    evidence: Evidence, forward: ForwardPass, site: Site, *, stray: bool
) -> tuple[Candidate, ...]:
    """Return the moves after the new layer, or the replacements by all parameters."""
    if stray:
        target = _new_layer(evidence, site)
        if target is not None:
            return candidates(
                (0, lambda: edits.move(site.source, site.statement, target, after=True))
            )
    value = _value(site)
    if value is None:
        return ()
    names = [*_owners(site, value), *_network_names(evidence, forward)]
    return candidates(
        *((rank, _replacing(site, value, name)) for rank, name in enumerate(dict.fromkeys(names)))
    )


def _value(site: Site) -> ast.expr | None:
    listed = parameter_list(site)
    return listed.value if isinstance(listed, ast.Assign) else argument(site.call, "params", 0)


def _replacing(site: Site, value: ast.expr, name: str) -> Callable[[], Patch]:
    all_of_it = f"{name}.parameters()"
    is_argument = value is argument(site.call, "params", 0)
    text = all_of_it if is_argument else f"list({all_of_it})"
    return lambda: edits.replace(site.source, [(value, text)])


def _owners(site: Site, value: ast.expr) -> Iterator[str]:
    """Yield what owns the layers whose parameters are listed: `net` for `net.conv.parameters()`."""
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            while isinstance(owner, ast.Attribute | ast.Subscript):
                owner = owner.value
                yield site.source.text_of(owner)


def _network_names(evidence: Evidence, forward: ForwardPass) -> Iterator[str]:
    called = site_of(evidence, forward.places)
    if called is not None and called.called.replace(".", "").isidentifier():
        yield called.called


def _new_layer(evidence: Evidence, site: Site) -> ast.stmt | None:
    """Return the statement after the optimizer that constructs a layer, in its own block."""
    block = site.source.block_of(site.statement)
    later = block[block.index(site.statement) + 1 :]
    built = [c for c in evidence.record.constructions if c.kind == "module"]
    lines = {place.line for c in built for place in c.places if place.file == site.source.path}
    found = [s for s in later if any(s.lineno <= n <= (s.end_lineno or n) for n in lines)]
    return found[-1] if found else None
