"""The dimension of classes stays together, and it is the one that softmax and argmax work along."""

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
    origin_of,
    shown,
)
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.record import Operator
    from broken_convnets.observe.recorder.values import Value

RESHAPING = frozenset({"view", "reshape"})
ALONG_CLASSES = frozenset({"cross_entropy", "argmax", "softmax", "log_softmax", "max", "nll_loss"})
SOFTMAX = frozenset({"softmax", "log_softmax"})
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
            rule="reshape_mixes_classes",
            kind="loss/target_shape_segmentation" if loss else "loss/broadcast_metric",
            message=f"{operator.name} mixes pixels and classes: it does not move dimension 1, "
            f"the {before[1]} classes, to the end",
            evidence=f"{operator.places[0].text} turns {list(before)} into {list(after)}, so a "
            f"row holds {after[-1]} neighboring pixels of one class; {use.name} at "
            f"{shown(use.places)} takes it for the scores of one pixel",
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


@rule(
    "softmax of scores works along the classes",
    stays_quiet="about softmax inside of a network, whose results are used further, as attention",
)
def softmax_over_samples(evidence: Evidence) -> Iterator[Finding]:
    """Find a softmax over dimension 0 of a batch of scores that a loss or the user receives."""
    seen: set[object] = set()
    for operator, batch in _final_softmax(evidence):
        value = operator.outputs[0]
        places = origin_of(evidence, operator)
        along = dimension(operator, len(value.shape))
        if along != 0 or not places or places[0] in seen or value.shape[0] != batch:
            continue
        if len(value.shape) != 2 or value.shape[0] < 2:  # noqa: PLR2004  (scores of samples)
            continue
        seen.add(places[0])
        yield Finding(
            rule="softmax_over_samples",
            kind="loss/softmax_dimension",
            message=f"{operator.name} works along dimension 0, the samples: the columns have the "
            "sum 1, not the rows",
            evidence=f"{places[0].text} receives shape {list(value.shape)}, scores of "
            f"{value.shape[0]} samples for {value.shape[1]} classes",
            violates=(Law.SAMPLES_INDEPENDENT,),
            cause=location(places),
            subject=places[0].text,
            cases=("batch/softmax_over_batch",),
            candidates=_along_classes(evidence, operator),
            confidence=8,
        )


def _final_softmax(evidence: Evidence) -> Iterator[tuple[Operator, int]]:
    """Yield each softmax whose result a network returns alone, or nll_loss receives."""
    for forward in evidence.record.passes:
        if len(forward.returned) == 1 and forward.received and forward.received[0].shape:
            maker = evidence.record.producer(forward.returned[0])
            if maker is not None and maker.name in SOFTMAX and maker.outputs:
                yield maker, forward.received[0].shape[0]
    for call in evidence.record.losses:
        if call.name == "nll_loss" and len(call.input.shape) == 2:  # noqa: PLR2004  (rows of scores)
            maker = evidence.record.producer(call.operator.inputs[0])
            if maker is not None and maker.name in SOFTMAX and maker.outputs:
                yield maker, call.input.shape[0]


def _along_classes(evidence: Evidence, operator: Operator) -> tuple[Candidate, ...]:
    site = site_of(evidence, origin_of(evidence, operator))
    if site is None:
        return ()
    module = site.call.func
    name = module.attr if isinstance(module, ast.Attribute) else getattr(module, "id", "")
    first = applied_to(site.call, operator.name)
    method = isinstance(module, ast.Attribute) and first is module.value
    position = 0 if name[:1].isupper() or method else 1
    return candidates(
        (0, partial(edits.set_argument, site.source, site.call, "dim", position, "1"))
    )
