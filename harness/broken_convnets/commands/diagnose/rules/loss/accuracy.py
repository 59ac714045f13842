"""An accuracy is the number of right answers divided by the number of all answers."""

from __future__ import annotations

import ast
import math
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.counters import (
    assigned_value,
    own_nodes,
    right_answers,
)
from broken_convnets.commands.diagnose.sites import candidates, location_in
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.counters import Division, RightAnswers

EQUALITIES = frozenset({"eq", "__eq__"})


@rule(
    "right answers are divided by the number of samples",
    stays_quiet="if each batch has one sample, or adds its own accuracy",
)
def accuracy_divided_by_batches(evidence: Evidence) -> Iterator[Finding]:
    """Find a count of right answers that is divided by the number of batches."""
    for count in right_answers(evidence):
        most = answers_in_a_batch(evidence, count)
        for division in count.divisions:
            counter = _batch_counter(count, division.divisor)
            if most < 2 or counter is None:  # noqa: PLR2004  (one sample is one batch)
                continue
            source = count.source
            yield Finding(
                kind="loss/broadcast_metric",
                message=f"{count.name} counts right answers, and is divided by the number of "
                "batches",
                evidence=f"{source.text_of(count.growth)} adds up to {most} for each batch, "
                f"{source.text_of(division.divisor)} counts the batch as 1: the result can be "
                f"{most}, not 1",
                violates=(Law.PERFECT_SCORES_ONE,),
                cause=location_in(
                    source, counter if isinstance(counter, ast.AugAssign) else division.node
                ),
                symptom=location_in(source, division.node),
                subject=source.text_of(division.node),
                cases=("loss/accuracy_divided_by_batches",),
                candidates=candidates(*_per_sample(count, division, counter)),
                confidence=8,
            )


def answers_in_a_batch(evidence: Evidence, count: RightAnswers) -> int:
    """Return how many answers one comparison has at most; 0 if it never ran."""
    node = count.comparison
    sizes = [
        math.prod(operator.outputs[0].shape)
        for operator in evidence.record.operators
        if operator.name in EQUALITIES
        and operator.outputs
        and (place := operator.place) is not None
        and place.file == count.source.path
        and (place.line, place.column) == (node.lineno, node.col_offset)
    ]
    return max(sizes, default=0)


def _batch_counter(count: RightAnswers, divisor: ast.expr) -> ast.expr | ast.stmt | None:
    """Return what counts batches in a division: `len(loader)`, or a variable that grows by 1."""
    source = count.source
    if isinstance(divisor, ast.Name):
        divisor = assigned_value(divisor, count.scope) or divisor
    if isinstance(divisor, ast.Call) and called_name(divisor) == "len" and divisor.args:
        measured = source.text_of(divisor.args[0])
        same = measured == count.batches or count.name == f"sum({measured})"
        return divisor if same else None
    name = source.text_of(divisor)
    assigned = [n for n in own_nodes(count.scope) if isinstance(n, ast.Assign | ast.AugAssign)]
    grown = [
        n
        for n in assigned
        if isinstance(n, ast.AugAssign)
        and source.text_of(n.target) == name
        and source.loops_around(n)[:1] == [count.loop]
    ]
    ones = [n for n in grown if isinstance(n.value, ast.Constant) and n.value.value == 1]
    return ones[0] if len(grown) == 1 and ones else None


def _per_sample(
    count: RightAnswers, division: Division, counter: ast.expr | ast.stmt
) -> Iterator[tuple[int, Callable[[], Patch]]]:
    source, labels = count.source, _labels(count.comparison)
    if isinstance(counter, ast.AugAssign):
        if labels is not None:
            text = f"{source.text_of(labels)}.numel()"
            yield 0, partial(edits.replace, source, [(counter.value, text)])
        return
    if not count.batches:
        return
    text = f"len({count.batches}.dataset)"
    yield 0, partial(edits.replace, source, [(division.divisor, text)])


def _labels(comparison: ast.expr) -> ast.expr | None:
    if isinstance(comparison, ast.Compare):
        return comparison.comparators[0]
    return comparison.args[-1] if isinstance(comparison, ast.Call) and comparison.args else None


@rule(
    "an accuracy is not rounded down to 0 or 1",
    stays_quiet="unless a count of right answers is divided by `//`",
)
def accuracy_rounded_down(evidence: Evidence) -> Iterator[Finding]:
    """Find `correct // total`, which is 0 unless every answer is right."""
    for count in right_answers(evidence):
        for division in count.divisions:
            node, source = division.node, count.source
            if not division.floor or not answers_in_a_batch(evidence, count):
                continue
            text = source.text_of(node).replace("//", "/")
            yield Finding(
                kind="loss/broadcast_metric",
                message=f"{source.text_of(division.node)} is 0 unless every answer is right",
                evidence=f"{count.name} counts right answers, and // rounds down",
                violates=(Law.PERFECT_SCORES_ONE,),
                cause=location_in(source, division.node),
                subject=source.text_of(division.node),
                candidates=candidates((0, partial(edits.replace, source, [(node, text)]))),
                confidence=8,
            )
