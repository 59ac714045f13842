"""Softmax has a dimension, and more than one element along it."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.predictions import dimension
from broken_convnets.commands.diagnose.rules.loss.producers import origin_of, producer, renamed
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator

    Attempt = tuple[int, Callable[[], Patch]]

SOFTMAX = frozenset({"softmax", "log_softmax"})
ALONG_SAMPLES = {1, 3}  # dimensions of a tensor for which softmax without `dim` chooses 0


@rule(
    "softmax works along more than one score",
    stays_quiet="unless a layer with one output computes the score of every call at the place",
)
def softmax_of_one_score(evidence: Evidence) -> Iterator[Finding]:
    """Find softmax over one column, which is 1 whatever the network computes."""
    groups: dict[object, list[Operator]] = {}
    for operator in evidence.record.operators:
        if operator.name in SOFTMAX and operator.inputs and operator.places:
            groups.setdefault(operator.places[0], []).append(operator)
    for calls in groups.values():
        if not all(_is_of_one_score(evidence, call) for call in calls):
            continue
        first, shape = calls[0], calls[0].inputs[0].shape
        places = origin_of(evidence, first)
        result = "0" if first.name == "log_softmax" else "1"
        yield Finding(
            kind="loss/softmax_dimension",
            message=f"{first.name} is computed over one score, so its result is {result} for every "
            "input",
            evidence=f"{places[0].text} receives shape {list(shape)} in {len(calls)} calls, from "
            "a layer with one output, and works along the last dimension",
            violates=(Law.EVERY_PARAMETER_LEARNS,),
            cause=location(places),
            subject=places[0].text,
            candidates=candidates(*_fixes(evidence, first)),
            confidence=8,
        )


def _is_of_one_score(evidence: Evidence, operator: Operator) -> bool:
    value = operator.inputs[0]
    shape = value.shape
    if len(shape) < 2 or shape[-1] != 1 or dimension(operator, len(shape)) != len(shape) - 1:  # noqa: PLR2004  (samples, score)
        return False
    maker = producer(evidence, value)
    weights = [v for v in maker.inputs if v.parameter] if maker else []
    return bool(weights) and weights[0].shape[:1] == (1,)


def _fixes(evidence: Evidence, operator: Operator) -> Iterator[Attempt]:
    """Yield a sigmoid for the output of the network, else another dimension."""
    shape = operator.inputs[0].shape
    if operator.outputs and operator.outputs[0] in evidence.flow.network_outputs:
        if operator.name == "softmax":
            yield from _sigmoid(evidence, operator)
        return
    yield from _with_dimension(evidence, operator, "1" if len(shape) > 2 else "0")  # noqa: PLR2004  (samples, score)


def _sigmoid(evidence: Evidence, operator: Operator) -> Iterator[Attempt]:
    site = site_of(evidence, origin_of(evidence, operator))
    for rank, attempt in renamed(evidence, operator, "sigmoid", "Sigmoid"):
        source, changes = attempt.args  # type: ignore[attr-defined]  # a partial of edits.replace
        if site is None or source is not site.source:
            continue
        new = changes[0][1]
        kept = ", ".join(source.text_of(a) for a in site.call.args if not _is_number(a))
        yield rank, partial(edits.replace, source, [(site.call, f"{new}({kept})")])


def _is_number(node: ast.expr) -> bool:
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(inner, ast.Constant)


def _with_dimension(evidence: Evidence, operator: Operator, dim: str) -> Iterator[Attempt]:
    """Yield the change that sets the dimension of a softmax."""
    site = site_of(evidence, origin_of(evidence, operator))
    if site is None:
        return
    numbers = [a for a in site.call.args if _is_number(a)]
    named = [k.value for k in site.call.keywords if k.arg == "dim"]
    present = (named or numbers)[:1]
    if present:
        yield 0, partial(edits.replace, site.source, [(present[0], dim)])
    else:
        yield 0, partial(edits.set_argument, site.source, site.call, "dim", None, dim)


@rule(
    "softmax has an explicit dimension",
    stays_quiet="about calls with `dim`",
)
def softmax_without_dimension(evidence: Evidence) -> Iterator[Finding]:
    """Find softmax without `dim`, for which torch chooses a dimension and warns."""
    seen: set[object] = set()
    for operator in evidence.record.operators:
        missing = operator.literals.get("dim", 0) is None and operator.literals.get(1) is None
        places = origin_of(evidence, operator) if operator.name in SOFTMAX and missing else ()
        if not places or places[0] in seen or not operator.inputs:
            continue
        seen.add(places[0])
        shape = operator.inputs[0].shape
        chosen = 0 if len(shape) in ALONG_SAMPLES else 1
        wrong = chosen == 0 and any(size > 1 for size in shape[1:])
        yield Finding(
            kind="loss/softmax_dimension",
            message=f"{operator.name} has no `dim`, and torch chooses dimension {chosen}",
            evidence=f"{places[0].text} receives shape {list(shape)}; torch chooses 0 for 1 and 3 "
            "dimensions, else 1, and warns",
            severity=Severity.ERROR if wrong else Severity.WARNING,
            violates=(Law.NO_WARNINGS,),
            cause=location(places),
            subject=places[0].text,
            candidates=candidates(
                *_with_dimension(evidence, operator, "-1" if wrong else str(chosen))
            ),
            confidence=7,
        )
