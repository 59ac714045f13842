"""What is added to, or multiplied with, each sample's loss belongs to that sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.terms import REDUCTIONS, number_in, plain_name
from broken_convnets.commands.diagnose.sites import location, require_success
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

COMBINING = frozenset({"add", "sub", "mul"})
SAMPLES = 2
STEPS = 6  # operators, such as a factor, between the sum and what it is combined with


@rule(
    "each sample's loss is combined with numbers of that sample, not with a sum over the batch",
    stays_quiet="unless a sum over a whole batch, computed from outputs, is broadcast to a tensor "
    "with one entry for each sample that is then reduced, outside of a network",
)
def batch_sum_beside_samples(evidence: Evidence) -> Iterator[Finding]:
    """Find `recon_per_sample + kl.sum()`, and a sum of all that a mask multiplies."""
    require_success(evidence)
    seen: set[object] = set()
    for operator in evidence.record.operators:
        if plain_name(operator) not in COMBINING or len(operator.inputs) != SAMPLES:
            continue
        if not operator.places or operator.places[0] in seen or _in_network(operator):
            continue
        for total, other in (operator.inputs, operator.inputs[::-1]):
            found = _sum_over_batch(evidence, total) if total.shape == () else None
            if found is None or not _has_entries(other, found) or not found.places:
                continue
            if other in evidence.flow.ancestors([total]):
                continue  # the square of a sum
            if _is_reduced(evidence, operator):
                seen.add(operator.places[0])
                yield _finding(operator, found, other)


def _finding(operator: Operator, total: Operator, other: Value) -> Finding:
    shape, entries = list(total.inputs[0].shape), list(other.shape)
    return Finding(
        kind="loss/kl_div_reduction",
        message=f"`{total.places[0].text}` is a sum over the whole batch, and is broadcast to "
        "every sample",
        evidence=f"it adds up a tensor of shape {shape}, and `{operator.places[0].text}` combines "
        f"it with a tensor of shape {entries}: each entry gets the sum of all {shape[0]} samples; "
        "sum over the other dimensions only, with dim",
        violates=(Law.LOSS_AVERAGES_OVER_SAMPLES,),
        cause=location(total.places),
        symptom=location(operator.places),
        subject=total.places[0].text,
        confidence=7,
    )


def _sum_over_batch(evidence: Evidence, value: Value) -> Operator | None:
    """Return the sum over everything that a number with a graph comes from."""
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or not operator.inputs or not value.requires_grad:
            return None
        given = operator.inputs[0]
        if operator.name == "sum":
            batch = (
                given.shape[:1] and given.shape[0] >= SAMPLES and operator.outputs[0].shape == ()
            )
            return operator if batch and evidence.flow.depends_on_network(given) else None
        is_scaled = plain_name(operator) in {"mul", "neg"} and len(operator.inputs) == 1
        if not is_scaled or (plain_name(operator) == "mul" and number_in(operator) is None):
            return None
        value = given
    return None


def _has_entries(other: Value, total: Operator) -> bool:
    """Return whether a value has an entry for each sample that the sum is over."""
    batch = total.inputs[0].shape[0]
    return other.shape[:1] == (batch,) and batch not in total.inputs[0].shape[1:]


def _is_reduced(evidence: Evidence, operator: Operator) -> bool:
    """Return whether the entries are added up, and a backward pass depends on them."""
    waiting = list(operator.outputs)
    for _ in range(STEPS):
        users = [user for value in waiting for user in evidence.flow.consumers(value)]
        if any(user.name in REDUCTIONS and user.outputs[0].shape == () for user in users):
            return any(value in evidence.flow.reaching_backward for value in operator.outputs)
        waiting = [v for user in users if plain_name(user) in COMBINING for v in user.outputs]
    return False


def _in_network(operator: Operator) -> bool:
    owner = operator.owner() if operator.owner is not None else None
    return owner is not None and next(iter(owner.parameters()), None) is not None
