"""Predictions are probabilities that are rounded, and not logits."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.logit_thresholds import COPIES, uses_of_logits
from broken_convnets.commands.diagnose.rules.loss.producers import applied_to, shown
from broken_convnets.commands.diagnose.sites import candidates, location
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

ROUNDING = frozenset({"round", "round_"})
LIMITING = frozenset({"clamp", "clamp_", "clip", "clip_", "bool"})
CONVERTING = COPIES | {"int", "long", "byte", "short", "__getitem__", "stack"}
EXACT = frozenset({"eq", "__eq__", "ne", "__ne__", "equal"})
BOTH = frozenset({"logical_and", "logical_or", "logical_xor", "__and__", "__or__", "__xor__"})
OUTSIDE = frozenset({"numpy", "__array__", "tolist"})  # for the metrics of other libraries
HOPS = 40


@rule(
    "a prediction is a probability that is rounded, and not a logit",
    stays_quiet="about rounding to some decimals, logits that are rounded and not compared with "
    "labels, and networks whose outputs no loss with logits receives as they are",
)
def logits_are_rounded(evidence: Evidence) -> Iterator[Finding]:
    """Find `torch.round(logits) == labels` beside BCEWithLogitsLoss."""
    seen: set[object] = set()
    for operator, loss in uses_of_logits(evidence, ROUNDING):
        place = operator.places[0]
        if place in seen or any(operator.literals.values()):
            continue
        limited = _is_limited(evidence, operator)
        if limited is None:
            continue
        seen.add(place)
        more = "" if limited else ", and one above 1.5 becomes a number that no label has"
        yield Finding(
            kind="loss/broadcast_metric",
            message="logits are rounded as if they were probabilities",
            evidence=f"{loss.name} at {shown(loss.places)} receives the same output as logits; a "
            f"logit becomes 1 from 0.5 on, which is the probability 0.62, and not from 0 on{more}",
            violates=(Law.PERFECT_SCORES_ONE,),
            cause=location(operator.places),
            symptom=location(loss.places),
            subject=place.text,
            candidates=_fixes(evidence, operator),
            confidence=7,
        )


def _is_limited(evidence: Evidence, operator: Operator) -> bool | None:
    """Return whether rounded numbers are limited before they are compared; None if they are not."""
    waiting = [(value, False) for value in operator.outputs]
    for _ in range(HOPS):
        if not waiting:
            return None
        value, limited = waiting.pop(0)
        for taker in evidence.flow.consumers(value):
            if taker.name in EXACT | BOTH or _is_scored_outside(evidence, taker, value):
                return limited
            if taker.name in CONVERTING | LIMITING:
                now = limited or taker.name in LIMITING
                waiting += [(one, now) for one in (*taker.outputs, *taker.changed)]
    return None


def _is_scored_outside(evidence: Evidence, operator: Operator, value: Value) -> bool:
    """Return whether a value leaves torch beside labels of its shape, in one function."""
    if operator.name not in OUTSIDE or operator.place is None:
        return False
    function = operator.place.file, operator.place.function
    return any(
        other.name in OUTSIDE
        and other.place is not None
        and (other.place.file, other.place.function) == function
        and any(
            one.shape == value.shape and not evidence.flow.depends_on_network(one)
            for one in other.inputs
        )
        for other in evidence.record.operators
    )


def _fixes(evidence: Evidence, operator: Operator) -> tuple[Candidate, ...]:
    """Return the change that rounds the probabilities."""
    source = evidence.source(operator.places[0].file)
    call = source.expression_at(operator.places[0]) if source else None
    logits = applied_to(call, operator.name) if isinstance(call, ast.Call) else None
    if source is None or logits is None or operator.name == "round_":
        return ()
    text = f"torch.sigmoid({source.text_of(logits)})"
    return candidates((0, partial(edits.replace, source, [(logits, text)])))
