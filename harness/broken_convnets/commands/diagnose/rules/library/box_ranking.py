"""nms() keeps the box with the higher score of two that overlap.

https://docs.pytorch.org/vision/stable/generated/torchvision.ops.nms.html: "scores for each one of
the boxes". The number of a class says nothing about which box is better.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.sites import (
    assignments,
    location,
    location_in,
    require_success,
    site_of,
)
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.box_scores import BoxScores
    from broken_convnets.observe.recorder.recorded_events import Operator

HOPS = 12
PICKS = TRANSPARENT | {"index_select", "gather", "take", "masked_select", "cat", "__getitem__"}
CASTS = frozenset({"float", "to", "type", "half", "double", "type_as"})
INDICES = frozenset({"max", "topk"})  # return values and their indices
SHOWN = 5


@rule(
    "nms() ranks boxes by how sure they are, and not by their classes",
    stays_quiet="unless all scores of all calls are integers that come from argmax(), the "
    "indices of max(), the groups of batched_nms() or a column of classes, and the caller has "
    "numbers from 0 to 1 for the same boxes",
)
def boxes_ranked_by_class(evidence: Evidence) -> Iterator[Finding]:
    """Find class indices as the scores of nms() or batched_nms()."""
    require_success(evidence)
    groups: dict[object, list[BoxScores]] = {}
    for one in evidence.record.content_facts.box_scores:
        groups.setdefault(one.places[0], []).append(one)
    for found in groups.values():
        first = next((one for one in found if one.other and len(one.numbers) > 1), None)
        if first is None or not all(one.numbers for one in found):
            continue
        maker = _index_maker(evidence, first)
        if maker is None and not all(one.classes for one in found):
            continue
        whence = f"the indices of {maker.name}()" if maker is not None else f"`{first.classes}`"
        shown = ", ".join(map(str, first.numbers[:SHOWN]))
        yield Finding(
            kind="detection",
            message=f"{first.function}() ranks the boxes by the numbers of their classes",
            evidence=f"the scores of {first.count} boxes are {shown}"
            f"{', ...' if len(first.numbers) > SHOWN else ''}, which come from {whence}: of boxes "
            f"that overlap, it keeps the one of the highest class; `{first.other}` has a number "
            "from 0 to 1 for each box",
            cause=_line(evidence, first),
            symptom=location(first.places),
            subject=first.places[0].text,
            confidence=7,
        )


def _index_maker(evidence: Evidence, found: BoxScores) -> Operator | None:
    """Return the operator that returned the scores as indices of the largest of several numbers."""
    value = found.scores
    for _ in range(HOPS):
        operator = evidence.record.producer(value)
        if operator is None or not operator.inputs:
            return None
        if operator.name == "argmax" or (
            operator.name in INDICES and value in operator.outputs[1:]
        ):
            return operator
        if operator.name not in PICKS:
            return None
        value = operator.inputs[0]
    return None


def _line(evidence: Evidence, found: BoxScores) -> Location | None:
    """Return where the classes become the scores: in the call, a cast before it, or a caller."""
    for at in range(len(found.places)):
        site = site_of(evidence, found.places[at:])
        if site is None:
            break
        given = _given(evidence, site.call, found, at)
        function = site.source.function_of(site.call)
        if not isinstance(given, ast.Name):
            return location(found.places[at:])
        scope = function or site.source.tree
        before = [a for a in assignments(site.source, given.id, scope) if a.lineno <= given.lineno]
        if before:
            value = before[-1].value
            casts = isinstance(value, ast.Call) and called_name(value) in CASTS
            return location_in(site.source, before[-1]) if casts else location(found.places[at:])
        names = [one.arg for one in function.args.args] if function else []
        if given.id not in names:
            return location(found.places[at:])
    return location(found.places)


def _given(evidence: Evidence, call: ast.Call, found: BoxScores, at: int) -> ast.expr | None:
    """Return the scores that a call passes: to nms(), or on to the function around it."""
    if at == 0:
        return argument(call, "scores", 1)
    inner = site_of(evidence, found.places[at - 1 :])
    function = inner.source.function_of(inner.call) if inner else None
    name = _given(evidence, inner.call, found, at - 1) if inner else None
    if function is None or not isinstance(name, ast.Name):
        return None
    names = [one.arg for one in function.args.args]
    names = names[1:] if names[:1] == ["self"] else names
    return argument(call, name.id, names.index(name.id)) if name.id in names else None
