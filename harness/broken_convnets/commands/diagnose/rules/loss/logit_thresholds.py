"""A decision about logits is made at 0, which is the logit of the probability 0.5."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT, shown
from broken_convnets.commands.diagnose.rules.loss.terms import number_in
from broken_convnets.commands.diagnose.sites import candidates, location
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

WITH_LOGITS = frozenset({"binary_cross_entropy_with_logits", "multilabel_soft_margin_loss"})
COMPARISONS = frozenset({"gt", "ge", "lt", "le", "__gt__", "__ge__", "__lt__", "__le__"})
PARTS = frozenset({"__getitem__", "select", "narrow", "unbind", "split", "chunk"})
COPIES = TRANSPARENT | {"detach", "__get__ data", "cat"}
HALF = 0.5
PROBABILITIES = frozenset({"sigmoid", "softmax", "hardsigmoid"})
HOPS = 12


@rule(
    "a decision about logits is made at 0, and one about probabilities at 0.5",
    stays_quiet="about other thresholds, places that try several, and networks whose outputs no "
    "loss with logits receives as they are",
)
def logits_compared_with_half(evidence: Evidence) -> Iterator[Finding]:
    """Find `logits > 0.5` beside BCEWithLogitsLoss."""
    seen: set[object] = set()
    for operator, loss in uses_of_logits(evidence, COMPARISONS):
        place = operator.places[0]
        if number_in(operator) != HALF or place in seen or _varies(evidence, operator):
            continue
        seen.add(place)
        yield Finding(
            kind="loss/broadcast_metric",
            message="logits are compared with 0.5, which is a threshold for probabilities",
            evidence=f"{loss.name} at {shown(loss.places)} receives the same output as logits; a "
            f"logit of 0.5 is the probability 0.62, so {place.text} treats probabilities from 0.5 "
            "to 0.62 as negative",
            violates=(Law.PERFECT_SCORES_ONE,),
            cause=location(operator.places),
            symptom=location(loss.places),
            subject=place.text,
            candidates=_fixes(evidence, operator),
            confidence=7,
        )


def _varies(evidence: Evidence, operator: Operator) -> bool:
    """Return whether a comparison has another threshold at other times, as for a curve."""
    return any(
        number_in(one) != HALF
        for one in evidence.record.operators
        if one.name == operator.name and one.places[:1] == operator.places[:1]
    )


def uses_of_logits(
    evidence: Evidence, names: AbstractSet[str]
) -> Iterator[tuple[Operator, Operator]]:
    """Yield the operators of some names that receive what a loss receives as logits, and the loss.

    Only what the program calls itself is looked at.
    """
    losses = _losses_of_logits(evidence)
    for operator in evidence.record.operators if losses else ():
        if operator.name not in names or not operator.inputs or not operator.places:
            continue
        origins = _origins_of(evidence, operator.inputs[0])
        loss = next((losses[one] for one in origins if one in losses), None)
        if loss is not None:
            yield operator, loss


def _losses_of_logits(evidence: Evidence) -> dict[tuple[object, ...], Operator]:
    """Return the losses that receive logits, by what computed these."""
    return {
        origin: operator
        for operator in evidence.record.operators
        if operator.name in WITH_LOGITS and operator.inputs and operator.places
        for origin in _origins_of(evidence, operator.inputs[0])
        if origin[0] not in PROBABILITIES  # then the loss is wrong, and 0.5 is right
    }


def _origins_of(evidence: Evidence, value: Value) -> list[tuple[object, ...]]:
    """Return what computed a value, as keys that are equal for all calls of one layer."""
    waiting: list[tuple[Value, tuple[object, ...]]] = [(value, ())]
    found: list[tuple[object, ...]] = []
    for _ in range(HOPS):
        if not waiting:
            break
        here, parts = waiting.pop()
        operator = evidence.record.producer(here)
        if operator is None or not operator.inputs:
            continue
        if operator.name in PARTS:
            parts = (*parts, _part(operator, here))
        if operator.name in COPIES:
            waiting += [(one, parts) for one in operator.inputs]
        else:
            found.append((operator.name, _owner(operator), parts))
    return found


def _part(operator: Operator, value: Value) -> object:
    """Return which part of a tensor an operator returns, as far as it is known."""
    index = operator.place.text.partition("[")[2] if operator.place else ""
    position = [one is value for one in operator.outputs].index(True)
    return str(operator.literals), index, position, value.shape[1:]


def _owner(operator: Operator) -> object:
    """Return the layer of torch that an operator belongs to, else its place."""
    import torch.nn  # noqa: PLC0415  (rules are imported where torch may be missing)

    known = operator.module and hasattr(torch.nn, operator.layer)
    return operator.module if known else (operator.module, operator.place)


def _fixes(evidence: Evidence, operator: Operator) -> tuple[Candidate, ...]:
    """Return the change of the threshold, or the one that compares probabilities."""
    source = evidence.source(operator.places[0].file)
    node = source.expression_at(operator.places[0]) if source else None
    scores: ast.expr | None = None
    if isinstance(node, ast.Compare) and len(node.comparators) == 1:
        scores, limit = node.left, node.comparators[0]
        if source is not None and isinstance(limit, ast.Constant):
            return candidates((0, partial(edits.replace, source, [(limit, "0")])))
    elif isinstance(node, ast.Call) and len(node.args) == 2:  # noqa: PLR2004  (scores, threshold)
        scores = node.args[0]
    if source is None or scores is None:
        return ()
    text = f"torch.sigmoid({source.text_of(scores)})"
    return candidates((0, partial(edits.replace, source, [(scores, text)])))
