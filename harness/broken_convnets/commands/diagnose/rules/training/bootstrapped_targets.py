"""The target of a temporal difference is a constant: only the prediction is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT, producer
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name
from broken_convnets.commands.diagnose.sites import location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

DIFFERENCES = frozenset({"mse_loss", "smooth_l1_loss", "huber_loss", "l1_loss"})
BEST = frozenset({"max", "amax"})
STEPS = 8
LEAST = 0.5  # discount


@rule(
    "the target of Q-learning has no gradient",
    stays_quiet="unless a loss compares gathered outputs of a network with a reward plus a "
    "discounted maximum of outputs of the same network",
)
def target_has_a_gradient(evidence: Evidence) -> Iterator[Finding]:
    """Find `reward + gamma * q(next_state).max(1)[0]` without torch.no_grad()."""
    for operator, chosen in gathered_predictions(evidence):
        predicted, target = operator.inputs[:2]
        if not predicted.requires_grad or not target.requires_grad or not operator.places:
            continue
        best = _bootstrapped(evidence, target)
        if best is None or not _of_one_network(evidence, chosen, best):
            continue
        yield _finding(operator, best)
        return


def _finding(loss: Operator, best: Operator) -> Finding:
    return Finding(
        kind="memory/missing_no_grad",
        message="the target of Q-learning has a gradient: backward() trains the target too",
        evidence=f"{best.places[0].text} is part of the target of {loss.name} and belongs to the "
        "graph; compute the target under torch.no_grad(), or detach it",
        cause=location(best.places),
        symptom=location(loss.places),
        subject=best.places[0].text,
        confidence=6,
    )


def gathered_predictions(evidence: Evidence) -> Iterator[tuple[Operator, Value]]:
    """Yield the losses between a gathered part of outputs and a target, and these outputs."""
    for operator in evidence.record.operators:
        if operator.name in DIFFERENCES and len(operator.inputs) > 1:
            chosen = producer(evidence, operator.inputs[0])
            if chosen is not None and chosen.name == "gather":
                yield operator, chosen.inputs[0]


def _bootstrapped(evidence: Evidence, target: Value) -> Operator | None:
    """Return the maximum in a sum of a reward and a discounted maximum."""
    total = producer(evidence, target)
    if total is None or plain_name(total) != "add" or len(total.inputs) != 2:  # noqa: PLR2004  (reward, future)
        return None
    future = [one for one in total.inputs if one.requires_grad]
    reward = [one for one in total.inputs if not one.requires_grad]
    if len(future) != 1 or evidence.flow.depends_on_network(reward[0]):
        return None
    return _discounted(evidence, future[0])


def _discounted(evidence: Evidence, value: Value) -> Operator | None:
    """Return the maximum that is multiplied by a discount, and perhaps by a mask."""
    discount = False
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or not operator.inputs:
            return None
        if operator.name in BEST:
            return operator if discount and operator.places else None
        number = number_in(operator)
        if plain_name(operator) == "mul":
            discount = discount or LEAST <= (number or 0) <= 1
        elif operator.name not in TRANSPARENT:
            return None
        value = next((one for one in operator.inputs if one.requires_grad), operator.inputs[0])
    return None


def _of_one_network(evidence: Evidence, chosen: Value, best: Operator) -> bool:
    """Return whether both are outputs of the same parameters, in two passes."""
    one, other = (evidence.flow.pass_of(value) for value in (chosen, best.inputs[0]))
    if one is None or other is None or one is other:
        return False
    return one.parameters == other.parameters
