"""The heads of attention change places with the tokens by transpose, not by view or reshape."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import applied_to
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.recorded_events import Operator

RESHAPES = frozenset({"view", "reshape"})
PRODUCTS = frozenset({"matmul", "__matmul__", "bmm", "einsum"})
ATTENTION = "scaled_dot_product_attention"
WEIGHTS = frozenset({"softmax", "dropout"})  # what makes the weights of attention
PASSING = frozenset({"contiguous", "clone", "to", "float", "dropout"})
SCALING = frozenset(
    {"mul", "__mul__", "div", "__truediv__", "transpose", "permute", "contiguous", "normalize"}
)
TOKENS = 3  # dimensions: samples, tokens, features
HEADS = 4  # dimensions: samples, heads, tokens, features of a head
HOPS = 4


@rule(
    "the heads of attention are merged after transpose(1, 2), and split before it",
    stays_quiet="unless softmax made the weights, or scaled_dot_product_attention read them; if "
    "there is one head or one token",
)
def heads_without_transpose(evidence: Evidence) -> Iterator[Finding]:
    """Find `(weights @ v).reshape(n, tokens, -1)` and `q.view(n, heads, tokens, -1)`."""
    seen: set[object] = set()
    for operator in evidence.record.operators:
        if operator.name not in RESHAPES or not operator.places or operator.places[0] in seen:
            continue
        merged = _merges_heads(evidence, operator)
        if not merged and not _splits_tokens(evidence, operator):
            continue
        seen.add(operator.places[0])
        before, after = operator.inputs[0].shape, operator.outputs[0].shape
        text = operator.places[0].text
        yield Finding(
            kind="data/reshape_instead_of_permute",
            message=f"{operator.name} does not exchange heads and tokens: each token gets numbers "
            "of other tokens",
            evidence=f"{text} turns {list(before)} into {list(after)}, and keeps the order of the "
            f"numbers in memory; transpose(1, 2) {'before' if merged else 'after'} it moves them",
            cause=location(operator.places),
            subject=text,
            cases=("data/reshape_instead_of_permute",),
            candidates=_transposed(evidence, operator, merged=merged),
            confidence=8,
        )


def _merges_heads(evidence: Evidence, operator: Operator) -> bool:
    """Return whether a reshape makes tokens of the output of attention without transpose."""
    if not operator.inputs or not operator.outputs:
        return False
    before, after = operator.inputs[0].shape, operator.outputs[0].shape
    if len(before) != HEADS or len(after) != TOKENS or min(before[1:3]) < 2:  # noqa: PLR2004  (nothing to mix)
        return False
    fits = after == (before[0], before[2], before[1] * before[3])
    return fits and _is_attention(evidence, operator)


def _is_attention(evidence: Evidence, operator: Operator) -> bool:
    """Return whether the input of an operator is a weighted sum, or what passes it on."""
    made = evidence.record.producer(operator.inputs[0])
    for _ in range(HOPS):
        if made is None or not made.inputs:
            return False
        if made.name == ATTENTION:
            return True
        if made.name in PRODUCTS:
            weights = evidence.record.producer(made.inputs[0])
            return weights is not None and weights.name in WEIGHTS
        if made.name not in PASSING:
            return False
        made = evidence.record.producer(made.inputs[0])
    return False


def _splits_tokens(evidence: Evidence, operator: Operator) -> bool:
    """Return whether a reshape makes heads of tokens, [N, T, H * D] to [N, H, T, D], for attention.

    If the last dimension stays as it is, the reshape splits the tokens alone.
    """
    if not operator.inputs or not operator.outputs:
        return False
    before, after = operator.inputs[0].shape, operator.outputs[0].shape
    if len(before) != TOKENS or len(after) != HEADS or min(*after[1:3], before[1]) < 2:  # noqa: PLR2004  (nothing to mix)
        return False
    features = after[1] * after[3]
    fits = after[0] == before[0] and after[2] == before[1] and features == before[2]
    return fits and after[1] != before[1] and _feeds_attention(evidence, operator)


def _feeds_attention(evidence: Evidence, operator: Operator) -> bool:
    """Return whether attention, or a product before a softmax, reads the heads."""
    waiting = list(operator.outputs)
    for _ in range(HOPS):
        users = [user for value in waiting for user in evidence.flow.consumers(value)]
        if any(user.name == ATTENTION for user in users):
            return True
        products = [user for user in users if user.name in PRODUCTS]
        if any(_is_weighting(evidence, product) for product in products):
            return True
        waiting = [v for user in users if user.name in SCALING for v in user.outputs]
    return False


def _is_weighting(evidence: Evidence, product: Operator) -> bool:
    """Return whether a softmax reads the scores that a product computes."""
    waiting = list(product.outputs)
    for _ in range(HOPS):
        users = [user for value in waiting for user in evidence.flow.consumers(value)]
        if any(user.name == "softmax" for user in users):
            return True
        waiting = [value for user in users for value in user.outputs]
    return False


def _transposed(evidence: Evidence, operator: Operator, *, merged: bool) -> tuple[Candidate, ...]:
    """Return the change that transposes before heads are merged, or after they are split."""
    site = site_of(evidence, operator.places)
    inner = applied_to(site.call, operator.name) if site else None
    if site is None or inner is None:
        return ()
    owner = site.source.owner_text(inner)
    sizes = [site.source.text_of(one) for one in site.call.args if one is not inner]
    if merged:
        text = f"{owner}.transpose(1, 2).flatten(2)"
    elif len(sizes) == HEADS:
        first, heads, tokens, rest = sizes
        text = f"{owner}.reshape({first}, {tokens}, {heads}, {rest}).transpose(1, 2)"
    else:
        return ()
    return candidates((0, partial(edits.replace, site.source, [(site.call, text)])))
