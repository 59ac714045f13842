"""Gradients that are accumulated over several batches are those of the loss that is reported."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    require_success,
    site_of,
)
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, Operator
    from broken_convnets.observe.recorder.values import Value

DIVISIONS = frozenset({"div", "div_", "__truediv__", "__itruediv__", "true_divide"})
COPIES = frozenset({"detach", "clone", "__get__ data", "cpu"})
AVERAGES = frozenset(
    {"cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"}
    | {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "mean"}
)


@rule(
    "gradients that are accumulated over several batches are those of the mean that is reported",
    stays_quiet="unless each loss is a mean and is divided by the number of batches after its "
    "backward pass, and about losses that are scaled before it",
)
def accumulated_without_division(evidence: Evidence) -> Iterator[Finding]:
    """Find losses that are divided by the number of batches for the report alone."""
    require_success(evidence)
    for group in _accumulated(evidence):
        reports = [_report(evidence, one, len(group)) for one in group]
        if not all(reports) or not all(_is_unscaled_mean(evidence, one) for one in group):
            continue
        first, report = group[0], reports[0]
        yield Finding(
            kind="training/accumulation_not_divided",
            message=f"the gradients of {len(group)} batches add up to {len(group)} times those of "
            "the loss that is reported",
            evidence=f"`{report.places[0].text if report and report.places else 'the report'}` "
            f"divides each loss by {len(group)}, and its backward pass does not",
            violates=(Law.GRADIENTS_MATCH_LOSS,),
            cause=location(first.places),
            subject=first.places[0].text,
            cases=("training/gradients_accumulate_to_a_sum",),
            candidates=_divided(evidence, first.places, report),
            confidence=7,
        )
        return


def _accumulated(evidence: Evidence) -> Iterator[list[BackwardPass]]:
    """Yield the backward passes of one line that add up in the gradients before a step."""
    record = evidence.record
    for step in record.optimizer_steps:
        numbers = {n for key in step.parameters for n in step.holds.get(key, ())}
        yield from _one_line([b for b in record.backward_passes if b.number in numbers])
    cleared = any("zero_grad" in s.text or ".grad = None" in s.text for s in evidence.user_sources)
    if not record.optimizer_steps.count and not cleared:
        yield from _one_line(list(record.backward_passes))


def _one_line(passes: list[BackwardPass]) -> Iterator[list[BackwardPass]]:
    """Yield the passes, if all are of one line and change the same gradients."""
    same = len({(b.places[:1], b.received) for b in passes}) == 1
    if len(passes) > 1 and same and passes[0].places and passes[0].received:
        yield passes


def _report(evidence: Evidence, backward: BackwardPass, count: int) -> Operator | None:
    """Return the operator that divides the loss of a backward pass by the number of passes."""
    values: list[Value] = list(backward.roots)
    for value in values:
        for operator in evidence.flow.consumers(value):
            if operator.name in COPIES:
                values += [v for v in operator.outputs if v not in values]
            elif operator.name in DIVISIONS and count in operator.literals.values():
                return operator
    return None


def _is_unscaled_mean(evidence: Evidence, backward: BackwardPass) -> bool:
    """Return whether an average over samples is the root of a backward pass as it is."""
    if len(backward.roots) != 1:
        return False
    operator = evidence.record.producer(backward.roots[0])
    is_mean = operator is not None and operator.name in AVERAGES
    return is_mean and operator is not None and "sum" not in operator.literals.values()


def _divided(
    evidence: Evidence, places: tuple[Place, ...], report: Operator | None
) -> tuple[Candidate, ...]:
    """Return the change that divides the loss in the call of backward, as the report does."""
    site, divisor = site_of(evidence, places), _divisor(evidence, report)
    if site is None or not divisor or site.called != f"{site.receiver}.backward":
        return ()
    new = f"({site.receiver} / {divisor}).backward"
    return candidates((0, partial(edits.replace, site.source, [(site.call.func, new)])))


def _divisor(evidence: Evidence, report: Operator | None) -> str:
    """Return the text of what the report divides by; empty if it is not shown as a division."""
    source = evidence.source(report.places[0].file) if report and report.places else None
    node = source.expression_at(report.places[0]) if source and report else None
    if source is None or not isinstance(node, ast.BinOp | ast.Call):
        return ""
    if isinstance(node, ast.BinOp):
        return source.text_of(node.right)
    return source.text_of(node.args[-1]) if node.args else ""
