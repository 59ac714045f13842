"""The order and the names of layers in the source: a flatten too early, a name used twice."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.failing import construction_of
from broken_convnets.commands.diagnose.analysis.sizes.arguments import constructor
from broken_convnets.commands.diagnose.analysis.sizes.definitions import pairs
from broken_convnets.commands.diagnose.analysis.sizes.expressions import operator_call
from broken_convnets.commands.diagnose.edits import move, replace
from broken_convnets.commands.diagnose.findings import Location

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator


def moved_after(
    evidence: Evidence, failed: FailedCall, flatten: Operator, layer: nn.Module
) -> list[Change]:
    """Return the changes that move a flatten behind a layer, in forward or in a Sequential."""
    module = flatten.owner() if flatten.owner else None
    if module is not None and type(module).__name__ == "Flatten":
        first = constructor(evidence, construction_of(evidence.record, module))
        own = constructor(evidence, construction_of(evidence.record, layer))
        return _moved_in_list(first, own) if first and own else []
    call = operator_call(evidence, flatten)
    source = evidence.source(failed.places[0].file)
    target = source.statement_at(failed.places[0].line) if source else None
    if call is None or source is None or target is None or call[0] is not source:
        return []
    statement = source.statement_of(call[1])
    if statement is None or not any(one is statement for one in source.block_of(target)):
        return []
    return [partial(move, source, statement, target, after=True)]


def _moved_in_list(first: Site, own: Site) -> list[Change]:
    """Return the changes that move one argument behind another, or to before a Linear layer."""
    source = first.source
    items = _siblings(source, first.call)
    if source is not own.source or own.call not in items:
        return []
    at = items.index(first.call)
    ends = [k - 1 for k, item in enumerate(items) if k > at and _is_linear(item)]
    ends.append(items.index(own.call))
    texts = [source.text_of(item) for item in items]
    return [partial(_reordered, source, items, texts, at, end) for end in ends if end > at]


def _reordered(source: Source, items: list[ast.expr], texts: list[str], at: int, end: int) -> Patch:
    order = [*texts[:at], *texts[at + 1 : end + 1], texts[at], *texts[end + 1 :]]
    return replace(source, [(i, t) for i, t in zip(items, order, strict=True)])


def _siblings(source: Source, call: ast.Call) -> list[ast.expr]:
    around = source.parent(call)
    if isinstance(around, ast.List | ast.Tuple):
        return list(around.elts)
    return list(around.args) if isinstance(around, ast.Call) else []


def _is_linear(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Linear")


@dataclass(frozen=True)
class Renamed:
    """A name that two layers have, and the changes that rename the second."""

    name: str
    location: Location
    changes: Sequence[Change]


def renamed_layer(evidence: Evidence, failed: FailedCall) -> Renamed | None:
    """Return how to rename a layer whose attribute an earlier layer had already."""
    site = constructor(evidence, failed.construction)
    target = _attribute(site) if site else None
    if site is None or target is None:
        return None
    source = site.source
    function, owner = source.function_of(site.call), source.class_of(site.call)
    name = source.text_of(target)
    if function is None or owner is None:
        return None
    assigned = [
        found
        for statement in ast.walk(function)
        if isinstance(statement, ast.Assign)
        for found, value in pairs(statement)
        if source.text_of(found) == name and isinstance(value, ast.Call)
    ]
    uses = [
        node
        for node in ast.walk(owner)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Load)
        and source.text_of(node) == name
    ]
    if not assigned[1:] or not uses[1:] or target is not assigned[-1]:
        return None
    new = f"{name}2"
    uses.sort(key=lambda use: (use.lineno, use.col_offset))
    changes = [
        partial(replace, source, [(node, new) for node in (target, *uses[first:])])
        for first in range(1, len(uses))
    ]
    return Renamed(name, Location(source.path, target.lineno), changes)


def _attribute(site: Site) -> ast.Attribute | None:
    statement = site.statement
    if not isinstance(statement, ast.Assign) or statement.value is not site.call:
        return None
    target = statement.targets[0]
    return target if isinstance(target, ast.Attribute) else None
