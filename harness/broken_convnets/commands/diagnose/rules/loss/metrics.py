"""A metric is best for right answers: it is called again with right and with wrong ones."""

from __future__ import annotations

import ast
import math
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.forked_call import numbers_from_child
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss import (
    accuracy,
    accuracy_reset,
    broadcasting,
    class_dimension,
    predictions,
)
from broken_convnets.commands.diagnose.rules.loss.asked_again import asked_again, has_every_class
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.metric_calls import MetricCall

CLOSE = 1e-3
USUAL = frozenset({1, 2, 100})  # numbers that metrics between 0 and 1, or of percent, have
# Rules that name the mistake inside of a metric.
MORE_PRECISE = (
    accuracy.accuracy_divided_by_batches,
    accuracy_reset.accuracy_not_reset,
    accuracy.accuracy_rounded_down,
    broadcasting.comparison_broadcasts,
    class_dimension.reshape_mixes_classes,
    predictions.argmax_of_one_output,
    predictions.scores_compared_with_labels,
)


@rule(
    "a metric returns its best value for right answers, and the same one each time",
    stays_quiet="about functions that do not compare predictions with labels, such as losses and "
    "Dice scores; errors, which are 0 for right answers; metrics with a number for another scale; "
    "and counts that the program resets",
)
def metric_of_right_answers(evidence: Evidence) -> Iterator[Finding]:
    """Find metrics that do not return 1 for right answers."""
    for call in evidence.record.metric_calls:
        source = evidence.source(call.code.co_filename)
        function = _syntax(source, call) if source else None
        if source is None or function is None or call.owner or not call.are_classes:
            continue
        if not _compares(evidence, call, function) or _is_rescaled(function):
            continue
        if _is_explained(evidence, call, function):
            continue
        numbers = numbers_from_child(partial(asked_again, call))
        if numbers is None or not all(map(math.isfinite, numbers)):
            continue
        right, wrong, *repeated = numbers
        again = max(repeated, key=lambda number: abs(number - right))
        grows = abs(right - again) > CLOSE
        problem = (
            _not_repeated(evidence, source, function) if grows else _problem(call, right, wrong)
        )
        if problem:
            yield Finding(
                kind="training/metric_not_reset" if grows else "loss/broadcast_metric",
                message=f"{function.name}() {problem}",
                evidence=f"called again on copies, it returns {right:.4g} for right answers, "
                f"{wrong:.4g} for wrong ones, and {again:.4g} for right ones again",
                violates=(Law.PERFECT_SCORES_ONE,),
                cause=Location(source.path, _line(function, grows=grows)),
                subject=function.name,
                candidates=_resets(source, function) if grows else (),
                confidence=5,
            )


def _problem(call: MetricCall, right: float, wrong: float) -> str:
    """Return what is wrong with a metric; nothing if it may be right."""
    labels = call.arguments[call.labels]
    best = (1.0, 100.0, float(labels.numel()), float(labels.shape[0] if labels.dim() else 1))
    if wrong > right + CLOSE:
        return ""  # an error, or a distance
    if any(abs(right - value) < CLOSE * max(1.0, value) for value in best):
        return ""
    if abs(right - wrong) < CLOSE:
        return "returns the same value for right and for wrong answers"
    return "does not return 1 for right answers" if has_every_class(call) else ""


def _is_rescaled(function: ast.FunctionDef) -> bool:
    """Return whether a metric subtracts a number, or multiplies by one, to have another scale."""
    found = (
        side.value
        for node in ast.walk(function)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub | ast.Mult)
        for side in (node.left, node.right)
        if isinstance(side, ast.Constant)
    )
    return any(value not in USUAL for value in found)


def _not_repeated(evidence: Evidence, source: Source, function: ast.FunctionDef) -> str:
    """Return the problem of a count that is never reset; nothing if the program does reset it."""
    counts = [source.text_of(node.target) for node in _growths(function)]
    roots = {count.partition("[")[0].partition(".")[0] for count in counts}
    for other in evidence.user_sources:
        for node in other.nodes:
            inside = other.enclosing(node, (ast.FunctionDef, ast.For, ast.While))
            if inside and _resets_one(other, node, {*counts, *roots}):
                return ""
    return "returns another value when it is called again: its counts are never reset"


def _resets_one(source: Source, node: ast.AST, names: set[str]) -> bool:
    if isinstance(node, ast.Assign):
        return any(source.text_of(target) in names for target in node.targets)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in {"clear", "update", "reset"} and (
            source.text_of(node.func.value) in names
        )
    return False


def _growths(function: ast.FunctionDef) -> list[ast.AugAssign]:
    return [node for node in ast.walk(function) if isinstance(node, ast.AugAssign)]


def _resets(source: Source, function: ast.FunctionDef) -> tuple[Candidate, ...]:
    """Return the change that sets the counts to 0 where the function begins."""
    counts = list(dict.fromkeys(source.text_of(node.target) for node in _growths(function)))
    body = [s for s in function.body if not isinstance(s, ast.Global | ast.Nonlocal)]
    if not counts or not body:
        return ()
    text = " = ".join([*counts, "0"])
    return candidates((0, partial(edits.insert_before, source, body[0], text)))


def _line(function: ast.FunctionDef, *, grows: bool) -> int:
    """Return the line of the first count, or of the last `return`."""
    if grows and (found := _growths(function)):
        return found[0].lineno
    lines = [node.lineno for node in ast.walk(function) if isinstance(node, ast.Return)]
    return max(lines, default=function.lineno)


def _syntax(source: Source, call: MetricCall) -> ast.FunctionDef | None:
    return source.function_named(call.code.co_name, call.code.co_firstlineno)


def _compares(evidence: Evidence, call: MetricCall, function: ast.FunctionDef) -> bool:
    """Return whether a function compares what depends on a network with what does not."""
    for operator, one, other in predictions.comparisons(evidence):
        place = operator.places[0]
        inside = function.lineno <= place.line <= (function.end_lineno or 0)
        if inside and place.file == call.code.co_filename:
            return evidence.flow.depends_on_network(one) != evidence.flow.depends_on_network(other)
    return False


def _is_explained(evidence: Evidence, call: MetricCall, function: ast.FunctionDef) -> bool:
    """Return whether a more precise rule finds a mistake in the function."""
    found = (f.cause for check in MORE_PRECISE for f in check(evidence) if f.cause)
    return any(
        cause.file == call.code.co_filename
        and function.lineno <= cause.line <= (function.end_lineno or 0)
        for cause in found
    )
