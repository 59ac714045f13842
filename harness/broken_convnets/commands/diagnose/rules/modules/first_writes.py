"""Whether anything may have written to a tensor before the first forward pass reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.dataflow import CUTS
from broken_convnets.commands.diagnose.analysis.moves import MOVES
from broken_convnets.observe.recorder.losses import UNSET

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.unwritten import Unwritten
    from broken_convnets.observe.recorder.values import Value

# Operators that copy a tensor to another device or dtype, or return it as it is.
COPIES = frozenset({"to", "cuda", "cpu", "float", "double", "half", "bfloat16", "type"})
CHOOSING = MOVES | {"where", "masked_fill", "masked_select", "gather", "lerp"}


def is_read_unwritten(evidence: Evidence, one: Unwritten) -> bool:
    """Return whether the first operator of a forward pass that takes a tensor finds it unwritten.

    Writing through `.data`, as initializers do, does not change the version of a parameter.
    """
    record, flow = evidence.record, evidence.flow
    loaded = any(load.moment <= one.moment for load in record.weight_loads)  # assign=True
    if loaded or one.moment.operators >= record.options.operator_limit // 2:
        return False
    same = [one.value]  # and what it was before it moved to another device or dtype
    while same[-1].former is not None:
        same.append(same[-1].former)
    origin = record.producer(same[-1])
    users = [user for value in same for user in flow.consumers(value)]
    before = [user for user in users if user.number < one.moment.operators]
    is_new = origin is None or origin.name in UNSET
    copied = all(_is_copied(evidence, user, same) for user in before)
    return (
        is_new and copied and _is_read_first(evidence, one) and not _is_written_later(evidence, one)
    )


def _is_written_later(evidence: Evidence, one: Unwritten) -> bool:
    """Return whether a tensor is initialized after the pass, which may only measure shapes."""
    return any(
        user.changed or user.name in {"__get__ data", "__set__ data"}
        for user in evidence.flow.consumers(one.value)
        if user.moment.backward_passes <= one.moment.backward_passes
        and user.number >= one.moment.operators
    )


def _is_copied(evidence: Evidence, operator: Operator, same: list[Value]) -> bool:
    """Return whether an operator copies a tensor, or replaces its data by a copy, as `.to()`."""
    if operator.name != "__set__ data":
        return operator.name in COPIES
    maker = evidence.record.producer(operator.inputs[-1])
    return operator.inputs[-1] in same or (maker is not None and _is_copied(evidence, maker, same))


def _is_read_first(evidence: Evidence, one: Unwritten) -> bool:
    """Return whether the first operator in or after the first pass only reads a tensor."""
    users = evidence.flow.consumers(one.value)
    first = next((user for user in users if user.number >= one.moment.operators), None)
    if first is None or first.raised or first.changed or first.name in CUTS:
        return False
    if not one.value.parameter and first.name in CHOOSING:
        return False  # of a queue or a cache, perhaps the part that is filled
    if first.name not in MOVES | COPIES:
        return True
    users = [user for value in first.outputs for user in evidence.flow.consumers(value)]
    return any(user is not first for user in users) and not any(user.changed for user in users)
