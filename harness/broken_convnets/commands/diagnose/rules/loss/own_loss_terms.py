"""Where a loss that the user wrote is a term of what an optimizer minimizes, and of what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.rules.loss.descent import (
    learns_nothing_else,
    trains_its_network,
    turns_gradients,
)
from broken_convnets.commands.diagnose.rules.loss.loss_of_constants import loss_behind
from broken_convnets.commands.diagnose.rules.loss.pair_losses import DISTANCES, HINGES
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT, producer
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name, terms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loss.own_losses import OwnFunction
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, Operator
    from broken_convnets.observe.recorder.values import Value

PASSES = 4  # backward passes that are looked at
INVERTING = frozenset({"rsub", "logical_not", "invert", "bitwise_not", "eq", "ne"})
CONVERSIONS = TRANSPARENT | {"one_hot"}  # of targets
ROOTS = frozenset({"pow", "sqrt"})  # the last operator of a distance


def minimized(evidence: Evidence, function: OwnFunction) -> tuple[Operator, int] | None:
    """Return the operator that computed a term of a loss inside of the function.

    The number is that of all terms of the loss. None unless the term has a positive weight, and
    nothing else trains the network: no other term but those of the same output and target, and no
    other backward pass.
    """
    found: tuple[Operator, int] | None = None
    first: BackwardPass | None = None
    others = []
    for backward in list(evidence.record.backward_passes)[:PASSES]:
        term = next(filter(None, (_term(evidence, function, r) for r in backward.roots)), None)
        if term is None:
            others.append(backward)
        elif found is None:
            found, first = term, backward
    if found is None or first is None or turns_gradients(evidence):
        return None
    outputs = _outputs(evidence, found[0].inputs)
    trains = trains_its_network(evidence, first, outputs)
    return found if trains and learns_nothing_else(evidence, first, others) else None


def _term(evidence: Evidence, function: OwnFunction, root: Value) -> tuple[Operator, int] | None:
    """Return the operator of a term that the function computed, and how many terms there are."""
    results = _results(evidence, function, root)
    found = list(terms(evidence, root, frozenset(results)))
    own = [term for term in found if term.value in results]
    if not own or any(term.factor <= 0 for term in own):
        return None
    operator = results[own[0].value]
    about = all(_is_about(evidence, function, term.value, operator) for term in found)
    return (operator, len(found)) if about else None


def _results(evidence: Evidence, function: OwnFunction, root: Value) -> dict[Value, Operator]:
    """Return the numbers with a graph that the function computed, and what is around it uses."""
    found = {}
    for value in evidence.flow.ancestors([root]):
        operator = evidence.record.producer(value)
        if operator is None or value.shape != () or not value.requires_grad:
            continue
        used_inside = any(
            _runs_inside(function, consumer) for consumer in evidence.flow.consumers(value)
        )
        if _runs_inside(function, operator) and not used_inside:
            found[value] = operator
    return found


def is_in_loss(evidence: Evidence, function: OwnFunction) -> bool:
    """Return whether a backward pass depends on what the function computes."""
    used = evidence.flow.reaching_backward
    return any(
        value in used
        for operator in evidence.record.operators
        if _runs_inside(function, operator)
        for value in operator.outputs
    )


def _runs_inside(function: OwnFunction, operator: Operator) -> bool:
    return any(map(function.contains, operator.places))


def _is_about(evidence: Evidence, function: OwnFunction, value: Value, operator: Operator) -> bool:
    """Return whether a term depends on all outputs that an operator does, and on its target."""
    known = evidence.flow.ancestors([value])
    wanted = _outputs(evidence, operator.inputs)
    constants = [v for v in _entering(evidence, function, operator) if not v.requires_grad]
    inputs = evidence.flow.ancestors(wanted)
    targets = {_given_target(evidence, value, inputs) for value in constants}
    return bool(wanted) and wanted <= known and (not targets or not targets.isdisjoint(known))


def _given_target(evidence: Evidence, value: Value, inputs: set[Value]) -> Value:
    """Return what a target is a conversion of; other operators make it another target."""
    maker = evidence.record.producer(value)
    while maker and maker.inputs and maker.name in CONVERSIONS and maker.inputs[0] not in inputs:
        value = maker.inputs[0]
        maker = evidence.record.producer(value)
    return value


def _outputs(evidence: Evidence, values: Iterable[Value]) -> set[Value]:
    return evidence.flow.ancestors(values) & evidence.flow.network_outputs


def _inside(evidence: Evidence, function: OwnFunction, operator: Operator) -> list[Operator]:
    """Return the operators of the function that an operator of it depends on, with itself."""
    makers = map(evidence.record.producer, evidence.flow.ancestors(operator.outputs))
    return [one for one in makers if one is not None and _runs_inside(function, one)]


def _entering(evidence: Evidence, function: OwnFunction, operator: Operator) -> set[Value]:
    """Return the values from elsewhere that the function computed an operator's result from."""
    inside = _inside(evidence, function, operator)
    computed = {value for one in inside for value in one.outputs}
    return {value for one in inside for value in one.inputs} - computed


def compares_with_data(evidence: Evidence, function: OwnFunction, operator: Operator) -> bool:
    """Return whether the function compares scores, not distances, with what comes from no network.

    A loss of distances has a label for near or for far, by the choice of its author, as one that
    inverts its target. One that negates a loss of torch is to be the opposite of it.
    """
    inside = _inside(evidence, function, operator)
    entering = _entering(evidence, function, operator)
    if any(_is_inverted(evidence, one, inside) for one in entering if not one.requires_grad):
        return False
    return not any(
        _is_distance(evidence, value)
        if value.requires_grad
        else evidence.flow.depends_on_network(value)
        for value in entering
    ) and not any(_is_hinge(evidence, one) or _negates_loss(evidence, one) for one in inside)


def _is_inverted(evidence: Evidence, target: Value, inside: list[Operator]) -> bool:
    """Return whether a function only reads 1 - target: its scores are for the other class."""
    waiting, users = [target], []
    while waiting:
        for user in evidence.flow.consumers(waiting.pop()):
            if user in inside and user.name in TRANSPARENT:
                waiting += user.outputs
            elif user in inside:
                users.append(user)
    return bool(users) and all(plain_name(user) in INVERTING for user in users)


def _negates_loss(evidence: Evidence, operator: Operator) -> bool:
    negative = plain_name(operator) == "mul" and (number_in(operator) or 0) < 0
    if not operator.inputs or not (negative or plain_name(operator) == "neg"):
        return False
    return loss_behind(evidence, operator.inputs[0]) is not None


def _is_distance(evidence: Evidence, value: Value) -> bool:
    """Return whether a value is a distance of two outputs, or a similarity."""
    found = producer(evidence, value)
    if found is not None and plain_name(found) in {"rsub", "sub"}:  # 1 - similarity
        found = producer(evidence, found.inputs[-1])
    if found is None:
        return False
    distance = found.name in DISTANCES or plain_name(found) in ROOTS
    return distance or found.name == "cosine_similarity"


def _is_hinge(evidence: Evidence, operator: Operator) -> bool:
    """Return whether an operator returns max(0, margin - x)."""
    made = producer(evidence, operator.inputs[0]) if operator.name in HINGES else None
    return made is not None and plain_name(made) in {"rsub", "sub"}
