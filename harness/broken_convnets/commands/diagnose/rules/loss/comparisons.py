"""With which tensors a program compares the output of a network, number by number."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

LOSSES = frozenset(
    {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy"}
    | {"binary_cross_entropy_with_logits", "dist"}
)
DIFFERENCES = frozenset({"sub", "__sub__", "__rsub__", "rsub", "subtract"})
SIZES = frozenset({"pow", "__pow__", "square", "abs", "__abs__", "norm"})  # of a difference
PRODUCTS = frozenset({"mul", "__mul__"})
# Operators on one tensor that return its numbers in another shape, scale or type.
KEEPING = frozenset(
    {"view", "reshape", "flatten", "squeeze", "unsqueeze", "contiguous", "permute", "transpose"}
    | {"detach", "cpu", "cuda", "to", "float", "double", "half", "clone", "clamp", "clip"}
    | {"clamp_", "clip_", "round", "__get__ data", "mul", "__mul__", "div", "__truediv__"}
    | {"mul_", "div_", "add_", "add", "__add__", "sub", "__sub__", "sigmoid"}
)
PARTS = frozenset({"__getitem__", "narrow", "select", "squeeze"})
OUTSIDE = frozenset({"numpy", "__array__", "tolist"})
LIMIT = 64  # values that are followed
UNREAD = 32  # tensors that may be the target


class Comparison(NamedTuple):
    """An operator on the numbers of an output and on another tensor of the same shape."""

    operator: Operator
    other: Value
    is_metric: bool


def comparisons(evidence: Evidence, forward: ForwardPass) -> list[Comparison]:
    """Return what the output of a pass is compared with."""
    output = _below(evidence, forward.returned[0])
    return [one for value in output for one in _comparisons_of(evidence, value, output)]


def same_numbers(evidence: Evidence, value: Value) -> set[Value]:
    """Return a tensor, what it is another form of, and other forms and parts of that."""
    for _ in range(LIMIT):
        producer = evidence.record.producer(value)
        if producer is None or producer.name not in KEEPING or len(producer.inputs) != 1:
            break
        value = producer.inputs[0]
    return set(_below(evidence, value))


def leaves_torch(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether an output becomes an array, which may be compared with anything."""
    users = (evidence.flow.consumers(one) for one in _below(evidence, forward.returned[0]))
    return any(user.name in OUTSIDE for found in users for user in found)


def unread_target(evidence: Evidence, forward: ForwardPass, wrong: Comparison) -> Value | None:
    """Return a tensor of the data, of the shape of the output, that nothing reads."""
    origins = _origins(evidence, forward.received[0])
    shape, known = forward.returned[0].shape, 0
    for value in _data(evidence, forward, wrong.operator.number):
        if value.shape != shape or value.requires_grad or not _is_unread(evidence, value):
            continue
        apart = origins.isdisjoint(_origins(evidence, value))
        if apart and not evidence.flow.depends_on_network(value):
            return value
        known += 1
        if known > UNREAD:
            break
    return None


def _data(evidence: Evidence, forward: ForwardPass, before: int) -> Iterator[Value]:
    """Yield the tensors of the batch, and those that were computed before a comparison."""
    entered = evidence.flow.ancestors(forward.received)
    for loader in evidence.record.loaders:
        for batch in (values for epoch in loader.epochs for values in epoch.values):
            if any(value in entered for value in batch):
                yield from (value for value in batch if value not in entered)
    for operator in evidence.record.operators:
        if operator.number < before and not operator.layer:
            yield from operator.outputs


def _is_unread(evidence: Evidence, value: Value) -> bool:
    users = (u for one in _below(evidence, value) for u in evidence.flow.consumers(one))
    return all(user.name in KEEPING | PARTS and len(user.inputs) == 1 for user in users)


def _origins(evidence: Evidence, value: Value) -> set[Value]:
    """Return the tensors that a value comes from and that no operator has computed."""
    found = evidence.flow.ancestors([value])
    return {one for one in found if one.operator is None or not _inputs(evidence, one)}


def _inputs(evidence: Evidence, value: Value) -> tuple[Value, ...]:
    producer = evidence.record.producer(value)
    return producer.inputs if producer else ()


def _below(evidence: Evidence, value: Value) -> list[Value]:
    """Return a tensor, and other forms and parts of it."""
    found = [value]
    for one in found:  # it grows
        for user in evidence.flow.consumers(one):
            kept = user.name in KEEPING | PARTS and len(user.inputs) == 1
            results = (*user.outputs, *user.changed) if kept else ()
            found += [result for result in results if result not in found][: LIMIT - len(found)]
    return found


def _comparisons_of(evidence: Evidence, value: Value, output: list[Value]) -> Iterator[Comparison]:
    for user in evidence.flow.consumers(value):
        others = [one for one in user.inputs if one not in output and one.shape == value.shape]
        if len(others) != 1 or not value.shape:
            continue
        if user.name in LOSSES:
            yield Comparison(user, others[0], is_metric=True)
        elif user.name in DIFFERENCES:
            yield Comparison(user, others[0], is_metric=_is_measured(evidence, user))


def _is_measured(evidence: Evidence, difference: Operator) -> bool:
    """Return whether a difference is only squared, or made positive."""
    users = [u for one in difference.outputs for u in evidence.flow.consumers(one)]
    return bool(users) and all(
        user.name in SIZES or (user.name in PRODUCTS and len(set(user.inputs)) == 1)
        for user in users
    )
