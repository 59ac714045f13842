"""A new learning rate reaches the optimizer: changing a variable changes no optimizer."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.counters import scope_of
from broken_convnets.commands.diagnose.sites import location_in, require_success, site_of
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site

POSITION = 1  # of the learning rate among an optimizer's arguments


@rule(
    "a learning rate that a loop changes is given to the optimizer",
    stays_quiet="unless a loop assigns the variable that the optimizer was constructed with, and "
    "nothing but these assignments and messages reads it afterwards",
)
def rate_only_in_a_variable(evidence: Evidence) -> Iterator[Finding]:
    """Find `lr *= 0.1` in the loop over epochs, which the optimizer does not see."""
    require_success(evidence)
    for built in evidence.record.built_optimizers:
        site = site_of(evidence, built.places)
        rate = argument(site.call, "lr", POSITION) if site else None
        if site is None or not isinstance(rate, ast.Name) or site.source.loops_around(site.call):
            continue
        change = _change(site, rate.id)
        if change is not None:
            text = site.source.text_of(change)
            yield Finding(
                rule="rate_only_in_a_variable",
                kind="training/not_learning",
                message=f"`{text}` changes a variable, and not the learning rate of the optimizer",
                evidence=f"the optimizer got the number that {rate.id} had when it was "
                'constructed, and nothing else reads the new one; set param_groups[...]["lr"], or '
                "use a scheduler",
                cause=location_in(site.source, change),
                symptom=location_in(site.source, site.call),
                subject=text,
                confidence=7,
            )


def _change(site: Site, name: str) -> ast.stmt | None:
    """Return the assignment in a later loop, if nothing but messages reads the variable there."""
    source, scope = site.source, scope_of(site.source, site.call)
    later = [
        node
        for node in ast.walk(scope)
        if isinstance(node, ast.Name) and node.id == name and node.lineno > site.statement.lineno
    ]
    changes = [source.statement_of(n) for n in later if isinstance(n.ctx, ast.Store)]
    first = next((s for s in changes if s is not None and source.loops_around(s)), None)
    own = {id(statement) for statement in changes}
    reads = [n for n in later if isinstance(n.ctx, ast.Load)]
    others = [n for n in reads if id(source.statement_of(n)) not in own and not _is_shown(site, n)]
    simple = isinstance(first, ast.Assign | ast.AugAssign)
    return first if simple and not others and scope_of(source, site.call) is scope else None


def _is_shown(site: Site, node: ast.Name) -> bool:
    """Return whether a variable is read to print or log it."""
    calls = [one for one in site.source.ancestors(node) if isinstance(one, ast.Call)]
    names = {getattr(c.func, "id", getattr(c.func, "attr", "")) for c in calls}
    return bool(names & {"print", "info", "log", "debug", "append", "write", "add_scalar"})
