"""Where a size comes from: the layer that returned it, or the operator that joined or flattened."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.failing import construction_of
from broken_convnets.commands.diagnose.analysis.sizes.layers import (
    CHANNELS_SECOND,
    output_size,
    type_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Construction, Operator
    from broken_convnets.observe.recorder.values import Value

STEPS = 200
MOVES = {"permute", "transpose", "movedim", "swapaxes", "__get__ T", "__get__ mT", "t"}
JOINS = {"cat", "concat", "concatenate", "hstack"}


@dataclass(frozen=True)
class Origin:
    """What determined a size.

    `layer` is the module that returned it; None if an operator did that the user calls, or if
    the value came from outside. `value` is what it returned or what was flattened; `parts` are
    the origins of what was joined.
    """

    value: Value
    operator: Operator | None = None
    layer: nn.Module | None = None
    construction: Construction | None = None
    flattened: bool = False
    parts: tuple[Origin, ...] = ()


def main_input(operator: Operator) -> Value | None:
    """Return the tensor that an operator continues: the first that is not a parameter."""
    data = [value for value in operator.inputs if not value.parameter]
    if not data:
        return None
    shapes = {value.shape for value in operator.outputs}
    return next((value for value in data if value.shape in shapes), data[0])


def chain(record: Record, value: Value) -> Iterator[Operator]:
    """Yield the operators that led to a value, the last one first."""
    found: Value | None = value
    for _ in range(STEPS):
        operator = record.producer(found) if found is not None else None
        if operator is None:
            return
        yield operator
        found = main_input(operator)


def origin(record: Record, value: Value, size: int) -> Origin:
    """Return what determined that one dimension of `value` has `size`."""
    current = value
    for operator in chain(record, value):
        module = operator.owner() if operator.owner else None
        if module is not None and output_size(module) == size and size in current.shape:
            where = construction_of(record, module)
            return Origin(current, operator, module, where)
        if operator.name in JOINS and size in current.shape:
            return Origin(current, operator, parts=_parts(record, operator, current))
        before = main_input(operator)
        if before is None:
            return Origin(current, operator)
        if size not in before.shape:
            flat = math.prod(before.shape[1:]) == size or size in _flat_sizes(before)
            return Origin(before if flat else current, operator, flattened=flat)
        current = before
    return Origin(current)


def has_channels_second(record: Record, value: Value) -> bool:
    """Return whether a convolution or norm returned a value, and nothing moved its dimensions."""
    for operator in chain(record, value):
        module = operator.owner() if operator.owner else None
        if module is not None and type_name(module) in CHANNELS_SECOND:
            return True
        if operator.name in MOVES or operator.name == "linear":
            return False
    return False


def _flat_sizes(value: Value) -> set[int]:
    """Return the sizes of all runs of neighboring dimensions, flattened."""
    shape = value.shape
    return {math.prod(shape[i:j]) for i in range(len(shape)) for j in range(i + 2, len(shape) + 1)}


def _parts(record: Record, operator: Operator, joined: Value) -> tuple[Origin, ...]:
    parts = [value for value in operator.inputs if not value.parameter]
    axes = [
        d
        for d in range(len(joined.shape))
        if all(len(p.shape) == len(joined.shape) for p in parts)
        and sum(p.shape[d] for p in parts) == joined.shape[d]
    ]
    return tuple(origin(record, p, p.shape[axes[0]]) for p in parts) if axes else ()
