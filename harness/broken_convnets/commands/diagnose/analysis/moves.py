"""Which operator computed the numbers of a tensor: operators that only move numbers are skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

# Operators that select, arrange or copy numbers, and change none.
MOVES = frozenset(
    {"split", "chunk", "unbind", "__getitem__", "select", "narrow", "index_select", "view"}
    | {"reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "t"}
    | {"expand", "repeat", "tile", "repeat_interleave", "flip", "roll", "contiguous", "clone"}
    | {"detach", "to", "cuda", "cpu", "view_as", "expand_as", "pin_memory", "movedim"}
)


def computed_by_operator(evidence: Evidence, value: Value) -> Operator | None:
    """Return the operator that computed the numbers of a tensor; None if none is recorded."""
    operator = evidence.record.producer(value)
    while operator is not None and operator.name in MOVES and operator.inputs:
        before = operator.inputs[0]
        if before.dtype is not value.dtype:
            break
        operator = evidence.record.producer(before)
    return operator


def was_moved(evidence: Evidence, value: Value) -> bool:
    """Return whether the program moves a value, or what it was computed from, to a named device."""
    computed = value.operator or 0  # what moves later, as a buffer by net.to(), leaves it behind
    for one in evidence.flow.ancestors([value]):
        users = evidence.flow.consumers(one)
        if any(_moves(user) and (one is value or user.number < computed) for user in users):
            return True
    return False


def _moves(operator: Operator) -> bool:
    # On the device that it is on already, to() returns the same tensor: its result says nothing.
    text = operator.place.text.lower() if operator.place else ""
    return operator.name == "cuda" or (operator.name == "to" and "device" in text)
