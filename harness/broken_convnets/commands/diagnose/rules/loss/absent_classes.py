"""A mean over classes leaves out those that neither the labels nor the predictions have.

Their intersection and their union are 0: https://github.com/Lightning-AI/torchmetrics/issues/2866.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.class_maps import map_metrics
from broken_convnets.commands.diagnose.sites import location_in, require_success
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.class_maps import MapMetric

NEAR = 0.01
MUCH = 0.3  # a score of wrong predictions
# A mean accuracy may be one over samples.
MEAN = re.compile(
    r"(?<![a-z])m_?(iou|dice)|mean_?iou|mean_?dice|macro|mean_?class|class_?mean|mean_?acc\w*class"
)
# Others may count how many classes or images there are of something.
METRIC = re.compile(r"iou|jaccard|dice|f1|f_?score|f_?beta|acc|recall|precision|sensitiv|macro")
MOST_PIXELS = 0.75  # of the first class
KIND = "loss/broadcast_metric"


@rule(
    "a mean over classes leaves out classes that neither labels nor predictions have",
    stays_quiet="unless a function that is called a metric and returns 1 for right "
    "predictions of all classes returns the share of the classes that its first labels have; a "
    "warning if it counts others as right",
)
def absent_classes_count(evidence: Evidence) -> Iterator[Finding]:
    """Find means of IoUs in which an absent class has an IoU of 0, or of 1."""
    require_success(evidence)
    for metric in map_metrics(evidence):
        present, classes = len(metric.present), metric.classes
        if metric.has_others or not 0 < present < classes or not _is_named(metric):
            continue
        score = metric.score(metric.labels, metric.labels)
        expected = _shares(metric)
        wrong = metric.score(_all_wrong(metric), metric.labels)
        text = f"the labels of its first call have {present} of {classes} classes: "
        if score < 1 - NEAR and any(abs(score - share) < NEAR for share in expected):
            yield Finding(
                kind=KIND,
                message=f"{metric.syntax.name}() counts classes that are absent as wrong",
                evidence=f"{text}if all predictions are equal to them, it returns "
                f"{score * metric.best:.4g}, and {metric.best:g} if all classes are there",
                violates=(Law.PERFECT_SCORES_ONE,),
                cause=location_in(metric.source, _quotient(metric.syntax)),
                subject=metric.syntax.name,
                confidence=8,
            )
        elif wrong >= MUCH and any(abs(wrong - share) < NEAR for share in _absent(metric)):
            yield Finding(
                kind=KIND,
                message=f"{metric.syntax.name}() counts classes that are absent as right",
                evidence=f"{text}if every prediction is wrong, it returns "
                f"{wrong * metric.best:.4g}",
                severity=Severity.WARNING,
                cause=location_in(metric.source, _quotient(metric.syntax)),
                subject=metric.syntax.name,
                confidence=6,
            )


@rule(
    "an overlap of two empty masks is 1, as for all right predictions",
    stays_quiet="unless a function that returns 1 for right predictions has received an empty mask "
    "in its first call, and loses the share of the empty ones",
)
def empty_masks_count(evidence: Evidence) -> Iterator[Finding]:
    """Find Dice scores and IoUs that are 0 if there is nothing to find, and nothing is found."""
    require_success(evidence)
    for metric in map_metrics(evidence):
        if metric.labels.dim() < 3 or metric.classes != 2 or metric.has_others:  # noqa: PLR2004  (masks of an object)
            continue
        if not _is_named(metric):
            continue
        empty = float((metric.labels.flatten(1) == 0).all(1).double().mean())
        if not empty:
            continue
        score = metric.score(metric.labels, metric.labels)
        if abs(score - (1 - empty)) > NEAR:
            continue
        yield Finding(
            kind=KIND,
            message=f"{metric.syntax.name}() counts empty masks as wrong",
            evidence=f"{empty:.0%} of the masks of its first call are empty: if all predictions "
            f"are equal to the masks, it returns {score * metric.best:.4g}",
            violates=(Law.PERFECT_SCORES_ONE,),
            cause=location_in(metric.source, _quotient(metric.syntax)),
            subject=metric.syntax.name,
            confidence=7,
        )


@rule(
    "a metric that is called a mean over classes has the same weight for each class",
    stays_quiet="unless it returns the overlap or the accuracy of all pixels together, for maps in "
    "which nothing but the most frequent class is predicted",
)
def mean_over_pixels(evidence: Evidence) -> Iterator[Finding]:
    """Find a mean IoU whose sums go over the pixels of all classes at once."""
    require_success(evidence)
    for metric in map_metrics(evidence):
        count = metric.labels.numel()
        if not MEAN.search(metric.syntax.name.lower()) or count < 4 * metric.classes:
            continue
        labels = torch.zeros(count, dtype=torch.int64)
        rest = torch.arange(count - int(MOST_PIXELS * count)) % (metric.classes - 1) + 1
        labels[count - len(rest) :] = rest
        labels = labels.reshape(metric.labels.shape).to(metric.labels.dtype)
        share = 1 - len(rest) / count
        score = metric.score(torch.zeros_like(labels), labels)
        together = {"overlap": share / (2 - share), "accuracy": share}
        what = next((w for w, n in together.items() if abs(score - n) < NEAR), "")
        if not what:
            continue
        yield Finding(
            kind=KIND,
            message=f"{metric.syntax.name}() is the {what} of all pixels, and not a mean over the "
            "classes",
            evidence=f"if 3 of 4 pixels have the first of {metric.classes} classes, and nothing "
            f"else is predicted, it returns {score * metric.best:.3g}; the mean over the classes "
            f"is at most {metric.best * share / metric.classes:.3g} for overlaps and "
            f"{metric.best / metric.classes:.3g} for accuracies",
            cause=location_in(metric.source, _first_sum(metric.syntax)),
            subject=metric.syntax.name,
            confidence=6,
        )


def _is_named(metric: MapMetric) -> bool:
    """Return whether a function, or the class around it, is called by the name of a metric."""
    owner = metric.source.class_of(metric.syntax)
    names = f"{owner.name if owner else ''} {metric.syntax.name}".lower()
    return bool(METRIC.search(names))


def _first_sum(syntax: ast.FunctionDef) -> ast.expr | ast.stmt:
    """Return the first sum in the text, which goes over all classes; else the last quotient."""
    calls = [node for node in ast.walk(syntax) if isinstance(node, ast.Call)]
    sums = [node for node in calls if called_name(node) in {"sum", "count_nonzero", "mean"}]
    return min(sums, key=lambda node: node.lineno, default=_quotient(syntax))


def _shares(metric: MapMetric) -> list[float]:
    """Return the share of the classes that are there, of all images or of each."""
    whole = [set(metric.present)]
    each = [{int(n) for n in torch.unique(one)} for one in metric.labels]
    shares = []
    for maps in (whole, each):
        shares.append(sum(len(one) for one in maps) / len(maps) / metric.classes)
        if metric.classes > 2:  # noqa: PLR2004  (the background, and others)
            front = [len(one - {0}) for one in maps]
            shares.append(sum(front) / len(maps) / (metric.classes - 1))
    return shares


def _all_wrong(metric: MapMetric) -> torch.Tensor:
    """Return predictions that are wrong everywhere, of classes that are there if there are two."""
    present = metric.present
    others = [*present[1:], present[0] if len(present) > 1 else (present[0] + 1) % metric.classes]
    found = metric.labels.clone()
    for one, other in zip(present, others, strict=True):
        found[metric.labels == one] = other
    return found


def _absent(metric: MapMetric) -> list[float]:
    used = max(2, len(metric.present))
    return [
        (metric.classes - used) / metric.classes,
        (metric.classes - used) / (metric.classes - 1),
    ]


def _quotient(syntax: ast.FunctionDef) -> ast.expr | ast.stmt:
    """Return what an absent class gets: a number in a branch, else the first quotient."""
    for node in ast.walk(syntax):
        if isinstance(node, ast.If | ast.IfExp):
            inside = node.body if isinstance(node, ast.If) else [node]
            numbers = [
                n
                for one in inside
                for n in ast.walk(one)
                if isinstance(n, ast.Constant)
                and n.value in {0, 1}
                and not isinstance(n.value, bool)
            ]
            if numbers and "== 0" in ast.unparse(node.test):
                return numbers[0]
    quotients = [n for n in ast.walk(syntax) if isinstance(n, ast.BinOp | ast.AugAssign)]
    divisions = [n for n in quotients if isinstance(n.op, ast.Div)]
    return min(divisions, key=lambda node: node.lineno, default=syntax.body[-1])
