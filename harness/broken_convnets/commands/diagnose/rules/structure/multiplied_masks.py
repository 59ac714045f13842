"""A mask removes scores before a softmax as minus infinity: a score of 0 still has weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.loss.terms import plain_name
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

COMPARISONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne", "tril", "triu", "logical_not"})
ARRANGEMENTS = TRANSPARENT | {"expand", "repeat", "expand_as", "bool", "__and__", "logical_and"}
RANDOM = frozenset(
    {"rand", "rand_like", "randn", "randn_like", "bernoulli", "bernoulli_", "dropout"}
)
STEPS = 8


@rule(
    "scores that a softmax is to ignore are minus infinity",
    stays_quiet="unless a softmax receives scores with a gradient, multiplied by the result of a "
    "comparison or a triangle, and nothing masks the result again; about masks that are random, "
    "that are computed from scores, or that are equal for all scores of one softmax",
)
def scores_times_mask(evidence: Evidence) -> Iterator[Finding]:
    """Find `(scores * mask).softmax(-1)`."""
    require_success(evidence)
    seen: set[object] = set()
    for operator in evidence.record.operators:
        if operator.name not in {"softmax", "log_softmax"} or not operator.inputs:
            continue
        product = evidence.record.producer(operator.inputs[0])
        mask = _mask(evidence, product, operator) if product is not None else None
        if product is None or mask is None or not product.places or product.places[0] in seen:
            continue
        if any(_is_masked(evidence, one, mask) for one in operator.outputs):
            continue
        seen.add(product.places[0])
        yield Finding(
            rule="scores_times_mask",
            kind="module",
            message="scores are masked by a product before a softmax, which makes them 0 and "
            "not minus infinity",
            evidence=f"`{product.places[0].text}` has 0 where `{mask.places[0].text}` is False, "
            "and exp(0) is 1: what is masked has more weight than every score below 0; use "
            "masked_fill with float('-inf')",
            cause=location(product.places),
            symptom=location(operator.places),
            subject=product.places[0].text,
            confidence=7,
        )


def _mask(evidence: Evidence, product: Operator, softmax: Operator) -> Operator | None:
    """Return the comparison that scores are multiplied by."""
    if plain_name(product) != "mul" or len(product.inputs) != 2:  # noqa: PLR2004  (scores, mask)
        return None
    for scores, mask in (product.inputs, product.inputs[::-1]):
        if scores.requires_grad and not mask.requires_grad:
            found = _comparison(evidence, mask) if _varies(mask, scores, softmax) else None
            return found if found is not None and _is_given(evidence, found) else None
    return None


def _varies(mask: Value, scores: Value, softmax: Operator) -> bool:
    """Return whether a mask has a number for each of the scores that compete in a softmax."""
    dim = softmax.literals.get("dim", softmax.literals.get(1))
    if not isinstance(dim, int):
        return bool(mask.shape)
    back = dim - len(scores.shape) if dim >= 0 else dim
    return len(mask.shape) >= -back and mask.shape[back] > 1


def _is_given(evidence: Evidence, comparison: Operator) -> bool:
    """Return whether a mask comes from no network, and from no random numbers as for dropout."""
    known = evidence.flow.ancestors(comparison.inputs)
    makers = (evidence.record.producer(value) for value in known)
    return not any(value.requires_grad for value in known) and not any(
        maker is not None and maker.name in RANDOM for maker in makers
    )


def _comparison(evidence: Evidence, value: Value) -> Operator | None:
    """Return the comparison that a value is, in another arrangement or dtype."""
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or not operator.inputs:
            return None
        if plain_name(operator) in COMPARISONS:
            return operator if operator.places else None
        if operator.name not in ARRANGEMENTS:
            return None
        value = operator.inputs[0]
    return None


def _is_masked(evidence: Evidence, value: Value, mask: Operator) -> bool:
    """Return whether weights are multiplied by a mask, or masked, after the softmax."""
    for one in evidence.flow.consumers(value):
        known = evidence.flow.ancestors(v for v in one.inputs if v is not value)
        if not known.isdisjoint(mask.outputs):
            return True
    return False
