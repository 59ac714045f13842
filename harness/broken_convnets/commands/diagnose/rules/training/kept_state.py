"""A state_dict that is kept for later is a copy."""

from __future__ import annotations

import ast
from itertools import pairwise
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import Site, candidates, location, site_of
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.snapshots import Snapshot

ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
COLLECTING = frozenset({"append", "appendleft", "insert", "setdefault", "add"})
CASE = "state/best_state_not_copied"


@rule(
    "a state_dict that is loaded holds the values of when it was read",
    stays_quiet="if no optimizer steps between state_dict() and load_state_dict()",
)
def state_kept_by_reference(evidence: Evidence) -> Iterator[Finding]:
    """Find best weights that went on to train, because state_dict() does not copy."""
    for load in evidence.record.state_loads:
        steps = load.moment.optimizer_steps - load.read_at.optimizer_steps
        site = site_of(evidence, load.read)
        if steps < 1 or site is None:
            continue
        yield Finding(
            kind=CASE,
            message="state_dict() returns the parameters themselves, which go on to change: "
            "copy it",
            evidence="load_state_dict() changes nothing: its tensors are those of the network, "
            f"and {steps} optimizer steps have changed them since state_dict()",
            violates=(Law.RETURNED_STATE_IS_A_COPY,),
            cause=location(load.read),
            symptom=location(load.places),
            subject=site.source.text_of(site.call),
            cases=(CASE,),
            candidates=_copied(site),
            confidence=9,
        )
        return


@rule(
    "the weights that a program keeps as its best ones do not change afterwards",
    stays_quiet="about a state_dict that is kept unconditionally, or used only where it is read, "
    "as by torch.save(); and about one that no optimizer step changes",
)
def best_state_changes(evidence: Evidence) -> Iterator[Finding]:
    """Find snapshots of the weights, of the best epoch or of several, that share the weights."""
    by_place: dict[tuple[Place, ...], list[Snapshot]] = {}
    for one in evidence.record.snapshots:
        if one.steps:
            by_place.setdefault(one.places[:1], []).append(one)
    for snapshots in by_place.values():
        first = snapshots[0]
        site = site_of(evidence, first.places)
        if site is None or not (
            _are_collected(evidence, snapshots) or _is_best(evidence, first.places)
        ):
            continue
        steps = max(one.steps for one in snapshots)
        yield Finding(
            kind=CASE,
            message="state_dict() returns the parameters themselves, which go on to change: "
            "copy it",
            evidence=f"the state_dict is kept while {steps} more optimizer steps change its "
            "tensors, so it does not hold the weights of the moment when it was read",
            violates=(Law.RETURNED_STATE_IS_A_COPY,),
            cause=location(first.places),
            subject=site.source.text_of(site.call),
            cases=(CASE,),
            candidates=_copied(site),
            confidence=8,
        )


def _are_collected(evidence: Evidence, snapshots: list[Snapshot]) -> bool:
    """Return whether two snapshots of different moments are alive together, in a collection."""
    together = any(
        later.last_step is not None
        and earlier.last_step is not None
        and earlier.last_step >= later.moment.optimizer_steps > earlier.moment.optimizer_steps
        and earlier.parameter() is later.parameter()
        for earlier, later in pairwise(snapshots)
    )
    return together and any(_collects(site) for site in _sites(evidence, snapshots[0].places))


def _collects(site: Site) -> bool:
    statement = site.statement
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return called_name(statement.value) in COLLECTING
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return any(isinstance(target, ast.Subscript) for target in targets) or isinstance(
        statement, ast.AugAssign
    )


def _is_best(evidence: Evidence, places: tuple[Place, ...]) -> bool:
    """Return whether a snapshot is kept under a condition on a score, and used elsewhere."""
    for site in _sites(evidence, places):
        condition = _condition(site)
        if condition is not None and isinstance(site.statement, ast.Assign):
            names = {site.source.text_of(target) for target in site.statement.targets}
            return any(is_used_outside(site, condition, name) for name in names)
    return False


def _sites(evidence: Evidence, places: tuple[Place, ...]) -> Iterator[Site]:
    """Yield the call of state_dict(), and those of the functions that return its result."""
    for place in places:
        site = site_of(evidence, (place,))
        if site is None:
            return
        yield site
        if not isinstance(site.statement, ast.Return):
            return


def _condition(site: Site) -> ast.If | None:
    """Return the innermost `if` around a call that compares sizes, or asks for an improvement."""
    found = site.source.enclosing(site.call, ast.If)
    while found is not None:
        parts = list(ast.walk(found.test))
        if isinstance(found.test, ast.Name | ast.Attribute | ast.Call) or any(
            isinstance(part, ast.Compare) and isinstance(part.ops[0], ORDER) for part in parts
        ):
            return found
        found = site.source.enclosing(found, ast.If)
    return None


def is_used_outside(site: Site, condition: ast.If, name: str) -> bool:
    """Return whether a name is read later in its function, or an attribute in the file."""
    inside = set(ast.walk(condition))
    scope = site.source.function_of(site.call) or site.source.tree
    base = name.partition("[")[0]
    is_attribute = "." in base
    if is_attribute:
        scope, base = site.source.tree, base.rpartition(".")[2]
    found = [
        node
        for node in ast.walk(scope)
        if isinstance(node, ast.Name | ast.Attribute)
        and base == (node.id if isinstance(node, ast.Name) else node.attr)
        and node not in inside
    ]
    reads = [node for node in found if isinstance(node.ctx, ast.Load)]
    stores = [node.lineno for node in found if isinstance(node.ctx, ast.Store)]
    return any(is_attribute or _is_reached(site, condition, r.lineno, stores) for r in reads)


def _is_reached(site: Site, condition: ast.If, read: int, stores: list[int]) -> bool:
    """Return whether a value from inside of an `if` may reach a line, before it is replaced."""
    begin = condition.end_lineno or condition.lineno
    if read <= begin:  # in the next round of a loop around both
        loops = site.source.loops_around(site.call)
        around = [one.lineno for one in loops if one.lineno < read]
        if not around:
            return False
        begin = min(around)
    return not any(begin < store < read for store in stores)


def _copied(site: Site) -> tuple[Candidate, ...]:
    text = site.source.text_of(site.call)
    copy = f"{{name: value.clone() for name, value in {text}.items()}}"
    return candidates((0, lambda: edits.replace(site.source, [(site.call, copy)])))
