"""The loss of a policy gradient: its sign, its bound, and what it is weighted by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.descent import maximizes, trained_by
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.loss.terms import SIGNS, plain_name
from broken_convnets.commands.diagnose.rules.training.policies import (
    are_weighted,
    results_of,
    terms_of_losses,
)
from broken_convnets.commands.diagnose.sites import calls_named, location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

LARGER = frozenset({"max", "maximum"})
SMALLER = frozenset({"min", "minimum"})
CLAMPS = frozenset({"clamp", "clip"})
STEPS = 6  # operators between a log-probability or a ratio and what it is a factor of


@rule(
    "a policy gradient maximizes the entropy of the policy",
    stays_quiet="unless the loss is the log-probability of sampled actions, weighted, plus the "
    "entropy of a distribution with a positive factor; about losses that classify as well, as "
    "those of a router, and about gradient ascent",
)
def entropy_minimized(evidence: Evidence) -> Iterator[Finding]:
    """Find `policy_loss + 0.01 * entropy` among losses."""
    require_success(evidence)
    entropies, actions = results_of(evidence, "entropy"), results_of(evidence, "log_prob")
    if not entropies or not are_weighted(evidence, actions) or maximizes(evidence):
        return
    if not any(calls_named(evidence, "sample", "rsample")):
        return
    for found in terms_of_losses(evidence, entropies):
        known = evidence.flow.ancestors([one.value for one in found if one.value not in entropies])
        wrong = [one for one in found if one.value in entropies and one.factor > 0]
        if (
            known.isdisjoint(actions)
            or not wrong
            or any(_classifies(evidence, value) for value in known)
            or any(one.scalar is None for one in wrong[0].weights)
        ):
            continue
        sums = [one for one in wrong[0].path if plain_name(one) in SIGNS and one.places]
        if not sums:
            continue
        places = sums[-1].places  # where the entropy is added
        yield Finding(
            kind="loss/wrong_loss",
            message="the loss of the policy grows with its entropy: training removes exploration",
            evidence=f"`{places[0].text}` adds the entropy to the loss with the factor "
            f"{wrong[0].factor:.3g}; it is a bonus, and a loss that is minimized subtracts it",
            cause=location(places),
            subject=places[0].text,
            confidence=7,
        )
        return


def _classifies(evidence: Evidence, value: Value) -> bool:
    operator = evidence.record.producer(value)
    return operator is not None and operator.name in {"cross_entropy", "nll_loss"}


@rule(
    "the clipped objective of a policy is the smaller one of two",
    stays_quiet="unless a loss has the maximum of two products with a ratio and the same ratio, "
    "clamped, and falls where it grows; about gradient ascent",
)
def larger_objective(evidence: Evidence) -> Iterator[Finding]:
    """Find `-torch.max(ratio * advantage, ratio.clamp(...) * advantage)` (PPO)."""
    require_success(evidence)
    clipped = {
        value: operator
        for operator in evidence.record.operators
        if operator.name in LARGER | SMALLER and operator.places and _is_clipped(evidence, operator)
        for value in operator.outputs
    }
    if not clipped or maximizes(evidence):
        return
    for found in terms_of_losses(evidence, set(clipped)):
        for term in found:
            operator = clipped.get(term.value)
            wrong = operator is not None and (term.factor < 0) == (operator.name in LARGER)
            if operator is None or not wrong or not operator.places:
                continue
            name, other = ("max", "min") if operator.name in LARGER else ("min", "max")
            yield Finding(
                kind="loss/wrong_loss",
                message="the clipped objective does not bound the update of the policy: the loss "
                f"has the {name} of both objectives instead of the {other}",
                evidence=f"`{operator.places[0].text}` has the factor {term.factor:.3g} in the "
                "loss, "
                "so that training follows the better one of both, and nothing holds the ratio "
                f"back; PPO takes the {other} there",
                cause=location(operator.places),
                subject=operator.places[0].text,
                confidence=7,
            )
            return


def _is_clipped(evidence: Evidence, operator: Operator) -> bool:
    """Return whether both inputs are products of one factor, which is clamped in one of them."""
    if len(operator.inputs) != 2:  # noqa: PLR2004  (two objectives)
        return False
    one, other = (_factors(evidence, value) for value in operator.inputs)
    return any(_clamped(evidence, a) in other for a in one) or any(
        _clamped(evidence, a) in one for a in other
    )


def _factors(evidence: Evidence, value: Value) -> tuple[Value, ...]:
    """Return what a value is the product of."""
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or not operator.inputs:
            break
        if plain_name(operator) == "mul" and len(operator.inputs) == 2:  # noqa: PLR2004  (two factors)
            return tuple(_without_sign(evidence, one) for one in operator.inputs)
        if plain_name(operator) != "neg" and operator.name not in TRANSPARENT:
            break
        value = operator.inputs[0]
    return ()


def _clamped(evidence: Evidence, value: Value) -> Value | None:
    """Return what a value is, clamped."""
    operator = evidence.record.producer(value)
    clamped = operator is not None and plain_name(operator) in CLAMPS and operator.inputs
    return operator.inputs[0] if operator is not None and clamped else None


def _without_sign(evidence: Evidence, value: Value) -> Value:
    operator = evidence.record.producer(value)
    return operator.inputs[0] if operator is not None and plain_name(operator) == "neg" else value


@rule(
    "the advantage of a policy gradient is a constant",
    stays_quiet="unless a log-probability of actions is multiplied by a difference that has the "
    "gradient of a network's output, and a step trains that network with the loss",
)
def advantage_has_a_gradient(evidence: Evidence) -> Iterator[Finding]:
    """Find `log_prob * (returns - value)` where `value` is not detached."""
    require_success(evidence)
    actions = results_of(evidence, "log_prob")
    for operator in evidence.record.operators if actions else ():
        if plain_name(operator) != "mul" or len(operator.inputs) != 2 or not operator.places:  # noqa: PLR2004  (two factors)
            continue
        for value, weight in (operator.inputs, operator.inputs[::-1]):
            made = _difference(evidence, weight)
            if made is None or not _comes_from(evidence, value, actions):
                continue
            if _is_trained_by(evidence, made, operator):
                yield _advantage(operator, made)
                return


def _is_trained_by(evidence: Evidence, difference: Operator, product: Operator) -> bool:
    """Return whether a step changes the network of the predicted value by a product's gradient.

    Gradients that are cleared before the next step of its optimizer do no harm.
    """
    before = evidence.flow.ancestors(v for v in difference.inputs if v.requires_grad)
    critics = {
        number
        for one in evidence.record.passes
        if not before.isdisjoint(one.returned)
        for number in one.parameters
    }
    passes = evidence.flow.backward_passes_from(product.outputs)
    return any(not critics.isdisjoint(trained_by(evidence, one)) for one in passes)


def _advantage(operator: Operator, made: Operator) -> Finding:
    return Finding(
        kind="loss/wrong_loss",
        message="the advantage of the policy gradient has a gradient: the loss of the policy "
        "trains the critic too",
        evidence=f"`{operator.places[0].text}` weighs log-probabilities by "
        f"`{made.places[0].text}`, whose gradient moves the predicted value away from the "
        "returns; detach it",
        cause=location(operator.places),
        symptom=location(made.places),
        subject=operator.places[0].text,
        confidence=7,
    )


def _difference(evidence: Evidence, value: Value) -> Operator | None:
    """Return the subtraction of a network's output from a constant that a weight is."""
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or not operator.inputs or not value.requires_grad:
            return None
        if plain_name(operator) == "sub" and len(operator.inputs) == 2 and operator.places:  # noqa: PLR2004  (returns, value)
            of_network = [one for one in operator.inputs if one.requires_grad]
            if len(of_network) == 1 and evidence.flow.depends_on_network(of_network[0]):
                return operator
        elif plain_name(operator) not in TRANSPARENT | {"neg", "div", "sub"}:
            return None
        value = operator.inputs[0]
    return None


def _comes_from(evidence: Evidence, value: Value, actions: set[Value]) -> bool:
    """Return whether a value is a log-probability, or a ratio of two of them."""
    for _ in range(STEPS):
        if value in actions:
            return True
        operator = evidence.record.producer(value)
        allowed = TRANSPARENT | {"neg", "exp", "sub", "sum", "stack", "cat"}
        if operator is None or not operator.inputs or plain_name(operator) not in allowed:
            return False
        value = next((one for one in operator.inputs if one.requires_grad), operator.inputs[0])
    return False
