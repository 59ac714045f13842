"""A mask removes scores before a softmax as minus infinity: a score of 0 still has weight."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.loss.terms import plain_name
from broken_convnets.commands.diagnose.sites import location, require_success
from broken_convnets.observe.traced_forward import trace_call

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.probing import Probe
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value
    from broken_convnets.observe.traced_forward import TracedOperator

COMPARISONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne", "tril", "triu", "logical_not"})
ARRANGEMENTS = TRANSPARENT | {"expand", "repeat", "expand_as", "bool", "__and__", "logical_and"}
RANDOM = frozenset(
    {"rand", "rand_like", "randn", "randn_like", "bernoulli", "bernoulli_", "dropout"}
)
SOFTMAX = frozenset({"softmax", "log_softmax", "cross_entropy", "logsumexp"})
STEPS = 8
ELEMENTS = 100_000  # of a mask


@rule(
    "scores that a softmax is to ignore are minus infinity",
    stays_quiet="unless a softmax receives scores with a gradient, multiplied by the result of a "
    "comparison or a triangle, or by zeros and ones, and nothing masks the result again; about "
    "masks that are random, that are computed from scores, or that are equal for all scores of "
    "one softmax",
)
def scores_times_mask(evidence: Evidence) -> Iterator[Finding]:
    """Find `(scores * mask).softmax(-1)`."""
    require_success(evidence)
    seen: set[object] = set()
    for operator in evidence.record.operators:
        if operator.name not in SOFTMAX or not operator.inputs:
            continue
        product = evidence.record.producer(operator.inputs[0])
        mask = _mask(evidence, product, operator) if product is not None else None
        if product is None or mask is None or not product.places or product.places[0] in seen:
            continue
        scores = operator.inputs[0]
        if any(_is_masked(evidence, one, scores, mask) for one in operator.outputs):
            continue
        seen.add(product.places[0])
        text = f"has 0 where `{mask.places[0].text}` is False"
        yield _finding(product.places, operator.places, text)
    for probe in evidence.probing.probes if not seen else ():
        found = evidence.probing.run(partial(_multiplied, probe))
        if found is not None and found[0].places:
            why = f"has 0 for {found[2]:.0%} of the scores"
            yield _finding(found[0].places, found[1].places, why)
            return


def _finding(product: Sequence[Place], softmax: Sequence[Place], why: str) -> Finding:
    return Finding(
        kind="module",
        message="scores are masked by a product before a softmax, which makes them 0 and "
        "not minus infinity",
        evidence=f"`{product[0].text}` {why}, and exp(0) is 1: what is masked has more weight "
        "than every score below 0; use masked_fill with float('-inf')",
        cause=location(product),
        symptom=location(softmax),
        subject=product[0].text,
        confidence=7,
    )


def _multiplied(probe: Probe) -> tuple[TracedOperator, TracedOperator, float] | None:
    """Return a product of scores with zeros and ones, the softmax of it, and the share of zeros."""
    net = probe.subject.build().eval()
    operators, error = trace_call(lambda: net.forward(probe.subject.inputs()))
    made = {id(one): operator for operator in operators for one in operator.results}
    computed = _computed(operators)
    for operator in operators if error is None else ():
        product = made.get(id(operator.inputs[0])) if operator.inputs else None
        if operator.name not in {"softmax", "log_softmax"} or product is None:
            continue
        masks = [one for one in product.inputs if _is_mask(one)]
        scores = [one for one in product.inputs if one.requires_grad]
        after = [o for o in operators if any(v is operator.results[0] for v in o.inputs)]
        again = any(_is_mask(one) for o in after for one in o.inputs)
        two = len(masks) == len(scores) == 1 and product.name.strip("_") in {"mul", "rmul", "imul"}
        if two and not again and id(masks[0]) not in computed and _differs(masks[0], operator):
            return product, operator, 1 - float(masks[0].float().mean())
    return None


def _computed(operators: Sequence[TracedOperator]) -> set[int]:
    """Return the ids of tensors that come from scores, or from random numbers as for dropout."""
    found: set[int] = set()
    for operator in operators:
        of_scores = any(one.requires_grad or id(one) in found for one in operator.inputs)
        if of_scores or operator.name in RANDOM:
            found.update(map(id, operator.results))
    return found


def _differs(mask: torch.Tensor, softmax: TracedOperator) -> bool:
    """Return whether a mask differs along the dimension of a softmax."""
    dim = softmax.literals.get("dim", softmax.literals.get(1))
    back = dim - softmax.results[0].ndim if isinstance(dim, int) and dim >= 0 else dim
    if not isinstance(back, int) or mask.ndim < -back:
        return False
    return bool((mask != mask.narrow(back, 0, 1)).any())


def _is_mask(tensor: torch.Tensor) -> bool:
    """Return whether a tensor without a gradient consists of zeros and ones, of both."""
    if tensor.requires_grad or tensor.ndim < 2 or tensor.numel() > ELEMENTS:  # noqa: PLR2004  (samples, keys)
        return False
    return sorted(tensor.detach().unique().tolist()) == [0, 1]


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
        if operator is not None and operator.places and _is_written_mask(operator):
            return operator
        if operator is None or not operator.inputs:
            return None
        if plain_name(operator) in COMPARISONS:
            return operator if operator.places else None
        if operator.name not in ARRANGEMENTS:
            return None
        value = operator.inputs[0]
    return None


def _is_written_mask(operator: Operator) -> bool:
    """Return whether an operator makes a tensor of a list of zeros and ones."""
    numbers = operator.literals.get(0)
    made = operator.name in {"tensor", "as_tensor"} and isinstance(numbers, list | tuple)
    return made and isinstance(numbers, list | tuple) and set(numbers) == {0, 1}


def _is_masked(evidence: Evidence, value: Value, scores: Value, mask: Operator) -> bool:
    """Return whether weights are multiplied by a mask, or masked, after the softmax."""
    for one in evidence.flow.consumers(value):
        others = (v for v in one.inputs if v is not value and v is not scores)
        known = evidence.flow.ancestors(others)
        if not known.isdisjoint(mask.outputs):
            return True
    return False
