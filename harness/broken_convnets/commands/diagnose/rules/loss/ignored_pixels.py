"""Labels that the loss ignores do not count in a metric either."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.class_maps import VOID, map_metrics
from broken_convnets.commands.diagnose.sites import location, location_in, require_success
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.class_maps import MapMetric
    from broken_convnets.observe.recorder.ignored_labels import IgnoredLabels
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

SOME = 0.01  # share of the labels
# What leaves the answers as they are, and what adds them up.
KEEPING = frozenset({"float", "double", "long", "int", "to", "type", "cpu", "view", "reshape"})
KEEPING |= {"flatten", "squeeze", "contiguous", "detach", "half"}
SUMS = frozenset({"sum", "mean"})
EQUALITIES = frozenset({"eq", "ne", "__eq__", "__ne__"})
LIMITS = frozenset({"ge", "gt", "le", "lt", "__ge__", "__gt__", "__le__", "__lt__"})
STEPS = 6
WHOLE = r"{0}(\.\w+\([^()]*\))*\.(numel|nelement|size|shape)\b|\blen\({0}\)"  # how many there are


@rule(
    "labels that the loss ignores do not count in a metric",
    stays_quiet="unless an accuracy is a mean over them, or a function returns less than 1 for "
    "predictions that are right for all other labels; if the labels are compared with a number",
)
def ignored_labels_count(evidence: Evidence) -> Iterator[Finding]:
    """Find accuracies and IoUs over pixels, or tokens, that have no class."""
    require_success(evidence)
    compared = _compared(evidence)
    if compared is not None:
        yield _finding(compared)
    for metric in map_metrics(evidence):
        if compared and _contains(metric, compared.operator):
            continue
        numbers = evidence.record.content_facts.ignored_numbers
        for number in numbers if metric.has_others else ():
            score = _score_without(metric, number)
            if score is None:
                continue
            count = int((metric.labels == number).sum())
            text = f"{metric.syntax.name}() returns {score * metric.best:.3g} if all others are "
            yield Finding(
                kind="loss/broadcast_metric",
                message=f"{metric.syntax.name}() counts labels that the loss ignores",
                evidence=f"{count} of {metric.labels.numel()} labels are {number}: {text}right",
                violates=(Law.PERFECT_SCORES_ONE,),
                cause=location_in(metric.source, metric.syntax.body[0]),
                subject=metric.syntax.name,
                confidence=6,
            )


def _finding(compared: IgnoredLabels) -> Finding:
    text = compared.operator.places[0].text
    return Finding(
        kind="loss/broadcast_metric",
        message=f"`{text}` counts labels that the loss ignores",
        evidence=f"{compared.count} of {compared.total} labels are {compared.number}, the "
        "ignore_index of the loss, and all are among the answers that are added up",
        violates=(Law.PERFECT_SCORES_ONE,),
        cause=location(compared.operator.places),
        subject=text,
        confidence=7,
    )


def _contains(metric: MapMetric, operator: Operator) -> bool:
    place = operator.places[0]
    inside = metric.syntax.lineno <= place.line <= (metric.syntax.end_lineno or 0)
    return inside and place.file == metric.source.path


def _compared(evidence: Evidence) -> IgnoredLabels | None:
    """Return a comparison whose answers are averaged or summed up, ignored labels and all."""
    for one in evidence.record.content_facts.ignored_labels:
        others = [v for v in one.operator.inputs if v is not one.labels]
        if one.count < SOME * one.total or one.count == one.total or not one.operator.places:
            continue
        if not all(evidence.flow.depends_on_network(v) for v in others):
            continue
        if not _counts_all(evidence, one) or _is_masked(evidence, one.labels, one.number):
            continue
        if _is_summed(evidence, one.operator):
            return one
    return None


def _counts_all(evidence: Evidence, one: IgnoredLabels) -> bool:
    """Return whether answers are averaged, or their sum is compared with the number of labels.

    No prediction equals a label that stands for no class: the sum alone does not count it.
    """
    if 0 <= one.number != VOID:
        return True
    users = evidence.flow.descendants(one.operator.outputs)
    if any(o.name == "mean" and not users.isdisjoint(o.inputs) for o in evidence.record.operators):
        return True
    place = one.operator.places[0]
    source = evidence.source(place.file)
    statement = source.statement_at(place.line) if source else None
    if source is None or statement is None:
        return False
    text = ast.unparse(source.function_of(statement) or source.tree)
    names = set(re.findall(r"[A-Za-z_]\w*", place.text))
    return any(re.search(WHOLE.format(rf"\b{name}"), text) for name in names)


def _is_summed(evidence: Evidence, operator: Operator) -> bool:
    """Return whether all that is done with the answers is to add them up."""
    waiting, ends = [(value, STEPS) for value in operator.outputs], 0
    while waiting:
        value, steps = waiting.pop()
        for consumer in evidence.flow.consumers(value):
            if consumer.name in SUMS and "dim" not in consumer.literals:
                ends += 1
            elif consumer.name in KEEPING and steps:
                waiting += [(output, steps - 1) for output in consumer.outputs]
            else:
                return False
    return ends > 0


def _is_masked(evidence: Evidence, labels: Value, number: int) -> bool:
    """Return whether such labels are compared with that number or a limit, or leave torch."""
    family = evidence.flow.descendants(evidence.flow.ancestors([labels]))
    for operator in evidence.record.operators:
        if family.isdisjoint(operator.inputs) or operator.inputs[0].dtype.is_floating_point:
            continue
        if operator.name in {"numpy", "tolist"}:
            return True
        if len(operator.inputs) == 1 and (
            operator.name in LIMITS
            or (operator.name in EQUALITIES and number in operator.literals.values())
        ):
            return True
    return False


def _score_without(metric: MapMetric, number: int) -> float | None:
    """Return the score of predictions that are right for all other labels, if it is below 1."""
    ignored = metric.labels == number
    rest = torch.unique(metric.labels[~ignored])
    if not bool(ignored.any()) or not len(rest) or bool((rest >= metric.classes).any()):
        return None
    if bool((rest < 0).any()):
        return None
    scores = []
    for filled in rest[:2].tolist():
        predicted = metric.labels.clone()
        predicted[ignored] = filled
        scores += [metric.score(predicted, metric.labels), metric.score(predicted, predicted)]
    below = [score < 1 - SOME for score in scores[::2]]
    return max(scores[::2]) if all(below) and all(s > 1 - SOME for s in scores[1::2]) else None
