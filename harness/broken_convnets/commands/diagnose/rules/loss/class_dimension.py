"""The scores of one pixel stay together when a tensor is flattened."""

from __future__ import annotations

import ast
import math
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.predictions import dimension
from broken_convnets.commands.diagnose.rules.loss.producers import (
    TRANSPARENT,
    applied_to,
    shown,
)
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

RESHAPING = frozenset({"view", "reshape"})
ALONG_CLASSES = frozenset({"cross_entropy", "argmax", "softmax", "log_softmax", "max", "nll_loss"})
HOPS = 6


@rule(
    "view and reshape keep the scores of one pixel together",
    stays_quiet="unless the new rows are then taken for the scores of the classes",
)
def reshape_mixes_classes(evidence: Evidence) -> Iterator[Finding]:
    """Find `x.view(-1, classes)` of a tensor whose classes are dimension 1."""
    seen: set[object] = set()
    for operator in evidence.record.operators:
        if operator.name not in RESHAPING or not operator.places or not operator.outputs:
            continue
        if operator.places[0] in seen or not _mixes(operator):
            continue
        use = _used_along_classes(evidence, operator.outputs[0])
        if use is None:
            continue
        seen.add(operator.places[0])
        before, after = operator.inputs[0].shape, operator.outputs[0].shape
        loss = use.name in {"cross_entropy", "nll_loss"}
        yield Finding(
            kind="loss/target_shape_segmentation" if loss else "loss/broadcast_metric",
            message=f"{operator.name} mixes pixels and classes: it does not move dimension 1, "
            f"the {before[1]} classes, to the end",
            evidence=f"{operator.places[0].text} turns {list(before)} into {list(after)}, so a "
            f"row holds {after[-1]} neighboring pixels of one class; {use.name} at "
            f"{shown(use.places)} treats it as the scores of one pixel",
            violates=(Law.ONE_BATCH_CAN_BE_LEARNED,) if loss else (Law.PERFECT_SCORES_ONE,),
            cause=location(operator.places),
            symptom=location(use.places),
            subject=operator.places[0].text,
            cases=("loss/reshape_mixes_pixels_and_classes",),
            candidates=_permuted(evidence, operator),
            confidence=9,
        )


def _mixes(operator: Operator) -> bool:
    """Return whether [N, C, ...] becomes [.., C] although C is not the last dimension."""
    before = operator.inputs[0].shape if operator.inputs else ()
    after = operator.outputs[0].shape
    if len(before) < 3 or len(after) < 2:  # noqa: PLR2004  (samples, classes, positions)
        return False
    classes, positions = before[1], math.prod(before[2:])
    moved = after[-1] == classes and before[-1] != classes
    return moved and classes > 1 and positions > 1 and 1 not in before[1:-1]


def _used_along_classes(evidence: Evidence, value: Value) -> Operator | None:
    """Return the operator that takes the last dimension of a value for the classes."""
    for _ in range(HOPS):
        used = evidence.flow.consumers(value)
        for operator in used:
            along = dimension(operator, len(value.shape))
            loss = operator.name in {"cross_entropy", "nll_loss"} and len(value.shape) == 2  # noqa: PLR2004  (rows of scores)
            last = along == len(value.shape) - 1
            if operator.name in ALONG_CLASSES and operator.places and (loss or last):
                return operator if operator.inputs[0] is value else None
        views = [o for o in used if o.name in TRANSPARENT and o.outputs]
        if len(views) != 1 or views[0].outputs[0].shape != value.shape:
            return None
        value = views[0].outputs[0]
    return None


def _permuted(evidence: Evidence, operator: Operator) -> tuple[Candidate, ...]:
    site = site_of(evidence, operator.places)
    inner = applied_to(site.call, operator.name) if site else None
    if site is None or inner is None:
        return ()
    order = ", ".join(map(str, [0, *range(2, len(operator.inputs[0].shape)), 1]))
    text = site.source.text_of(inner)
    moved = f"{text}.permute({order})" if _is_simple(inner) else f"({text}).permute({order})"
    changes: list[tuple[ast.expr | ast.stmt, str]] = [(inner, moved)]
    function = site.call.func
    if operator.name == "view" and isinstance(function, ast.Attribute):
        changes = [(function, f"{moved}.reshape")]  # the permuted tensor is not contiguous
    return candidates((0, partial(edits.replace, site.source, changes)))


def _is_simple(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Call | ast.Attribute | ast.Subscript)
