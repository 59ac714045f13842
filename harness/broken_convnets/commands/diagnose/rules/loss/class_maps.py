"""Metrics of two maps of classes, called again with maps whose score is known."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from math import isfinite
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.commands.diagnose.forked_call import numbers_from_child
from broken_convnets.commands.diagnose.rules.loss.pair_answers import answer, number, pair_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.pair_calls import PairCall

SURE = 10.0  # a logit that leaves no doubt
MOST = 1_000  # classes
VOID = 255  # of pixels without a class
BEST = (1.0, 100.0)
CLOSE = 2e-3


@dataclass(frozen=True)
class MapMetric:
    """A function that compares predictions with labels, and returns 1 or 100 if all are right.

    `labels` are those of its first call, `classes` how many there are, `best` what it returns for
    right predictions of all classes.
    """

    call: PairCall
    source: Source
    syntax: ast.FunctionDef
    labels: torch.Tensor
    classes: int
    best: float

    @cached_property
    def present(self) -> list[int]:
        """The classes that the labels of the call have."""
        found = torch.unique(self.labels).tolist()
        return [int(n) for n in found if 0 <= n < self.classes]

    @cached_property
    def has_others(self) -> bool:
        """Whether the labels have a number that stands for no class, as of ignored pixels."""
        return len(torch.unique(self.labels)) > len(self.present)

    def score(self, predicted: torch.Tensor, labels: torch.Tensor) -> float:
        """Return what it returns, as a share of what it returns for right predictions."""
        numbers = numbers_from_child(lambda: [_score(self.call, predicted, labels, self.classes)])
        return numbers[0] / self.best if numbers and isfinite(numbers[0]) else float("nan")


def map_metrics(evidence: Evidence) -> Iterator[MapMetric]:
    """Yield the metrics of class maps: they have a best value, and a lower one for wrong maps."""
    for call, source, syntax in pair_calls(evidence):
        found = _metric_of(call, source, syntax)
        if found is not None:
            yield found


@lru_cache(maxsize=64)  # three rules ask
def _metric_of(call: PairCall, source: Source, syntax: ast.FunctionDef) -> MapMetric | None:
    labels = _labels(call)
    for classes in _numbers_of_classes(call, syntax, labels) if labels is not None else ():
        numbers = numbers_from_child(partial(_best_and_worst, call, labels, classes))
        if not numbers or not all(map(isfinite, numbers)):
            continue
        best = next((n for n in BEST if abs(numbers[0] - n) < CLOSE * n), None)
        if best and numbers[1] < best / 2:
            return MapMetric(call, source, syntax, labels, classes, best)
    return None


def every_class(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Return labels of the same shape with all classes, as equally often as they can be."""
    numbers = torch.arange(labels.numel()) % classes
    return numbers.reshape(labels.shape).to(labels.dtype)


def _best_and_worst(call: PairCall, labels: torch.Tensor, classes: int) -> list[float]:
    right = every_class(labels, classes)
    wrong = ((right + 1) % classes).to(right.dtype)
    return [_score(call, predicted, right, classes) for predicted in (right, wrong)]


def _score(call: PairCall, predicted: torch.Tensor, labels: torch.Tensor, classes: int) -> float:
    """Call the metric with predicted classes, or with scores of which theirs are the highest."""
    one, other = call.pair
    if one.is_floating_point() and one.shape == other.shape:
        sure = predicted.to(one.dtype)
        outside = float(one.min()) < 0 or float(one.max()) > 1
        sure = SURE * (2 * sure - 1) if outside else sure
        return number(answer(call, sure, labels.to(other.dtype)))
    if one.is_floating_point() or other.is_floating_point():
        scores = one if one.is_floating_point() else other
        hot = torch.nn.functional.one_hot(predicted.long(), classes).movedim(-1, 1)
        given: Any = SURE * hot.to(scores.dtype)
        pair = (given, labels) if scores is one else (labels, given)
    else:
        pair = (predicted.to(one.dtype), labels.to(other.dtype))
    return number(answer(call, *pair))


def _labels(call: PairCall) -> torch.Tensor | None:
    """Return the labels: integers beside scores, the second of two maps, or a map of 0 and 1."""
    one, other = call.pair
    floats = [t for t in (one, other) if t.is_floating_point()]
    whole = [t for t in (one, other) if not t.is_floating_point() and t.dtype is not torch.bool]
    if len(whole) == 2 and one.shape == other.shape:  # noqa: PLR2004  (both)
        return _of_more(one, other, call)
    binary = bool(((other == 0) | (other == 1)).all())
    if one.shape == other.shape and one.dim() > 1 and one.is_floating_point():
        return other if binary else None
    if len(floats) == len(whole) == 1 and floats[0].dim() == whole[0].dim() + 1:
        scores, labels = floats[0], whole[0]
        same = scores.shape[:1] + scores.shape[2:] == labels.shape
        return labels if same and scores.shape[1] > 1 else None
    return None


def _of_more(one: torch.Tensor, other: torch.Tensor, call: PairCall) -> torch.Tensor:
    """Return the map that is called a target; else the second one."""
    words = ("target", "label", "true", "gt", "mask", "truth")
    first = any(word in call.one.lower() for word in words)
    second = any(word in call.other.lower() for word in words)
    return one if first and not second else other


def _numbers_of_classes(
    call: PairCall, syntax: ast.FunctionDef, labels: torch.Tensor
) -> Iterator[int]:
    """Yield how many classes there may be: that of the scores, an argument, a global number."""
    scores = [t for t in call.pair if t.is_floating_point()]
    if call.pair[0].shape == call.pair[1].shape and scores:
        yield 2
        return
    if scores:
        yield scores[0].shape[1]
        return
    names = {node.id for node in ast.walk(syntax) if isinstance(node, ast.Name)}
    world = call.function.__globals__
    held = vars(call.arguments["self"]) if hasattr(call.arguments.get("self"), "__dict__") else {}
    values = [*call.arguments.values(), *held.values(), *(world.get(name) for name in names)]
    numbers = {v for v in values if isinstance(v, int) and not isinstance(v, bool)}
    low = max((int(n) for n in torch.unique(labels) if n < MOST and n != VOID), default=0)
    yield from sorted(n for n in numbers if max(1, low) < n <= min(MOST, labels.numel()))
