"""Weighted averages of two tensors, of which one is a trained parameter: EMA copies of networks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

SAME = (TRANSPARENT - {"clone"}) | {"detach", "__get__ data"}
WRITES = frozenset({"copy_", "__set__ data"})
PAIR = 2
Sum = dict["Value", float]  # the factor of each tensor


@dataclass(frozen=True)
class Average:
    """An operator whose result is `kept` of an untrained tensor and the rest of a parameter."""

    operator: Operator
    parameter: int  # its number
    kept: float
    steps: int  # of optimizers that have the parameter, before it


def averages(evidence: Evidence) -> Iterator[Average]:
    """Yield the averages of a trained parameter with a tensor that no optimizer has."""
    trained = _trained(evidence)
    steps = _steps(evidence)
    sums: dict[Value, Sum] = {}
    bases: dict[Value, Value] = {}  # what shares its memory
    for operator in evidence.record.operators:
        found = _sum(operator, sums)
        results = (*operator.outputs[:1], *operator.changed[:1])
        if operator.name in SAME or operator.changed:
            first = operator.inputs[0] if operator.inputs else None
            bases |= {one: bases.get(first, first) for one in results if first is not None}
        if found is None or not _is_average(found):
            sums |= dict.fromkeys(results, found) if found is not None else {}
            continue
        new = [value for value in found if value in trained]
        if len(found) != PAIR or len(new) != 1 or not operator.places:
            continue
        if _target(evidence, operator, bases) is not bases.get(new[0], new[0]):
            number = trained[new[0]]
            before = sum(step < operator.moment.optimizer_steps for step in steps[number])
            yield Average(operator, number, 1 - found[new[0]], before)


def _trained(evidence: Evidence) -> dict[Value, int]:
    """Return the numbers of the parameters that optimizers step, by their values."""
    record = evidence.record
    numbers = {key for step in record.optimizer_steps for key in step.parameters}
    return {value: key for key in numbers for value in record.parameters[key].values}


def _steps(evidence: Evidence) -> dict[int, list[int]]:
    """Return the steps of each parameter."""
    found: dict[int, list[int]] = {}
    for step in evidence.record.optimizer_steps:
        for key in step.parameters:
            found.setdefault(key, []).append(step.number)
    return found


def _is_average(found: Sum) -> bool:
    total = math.isclose(sum(found.values()), 1, abs_tol=1e-6)
    shapes = {value.shape for value in found}
    return len(found) > 1 and total and min(found.values()) > 0 and len(shapes) == 1


def _target(evidence: Evidence, operator: Operator, bases: dict[Value, Value]) -> Value | None:
    """Return the tensor that a result is written to; None if it is a new one."""
    if operator.changed:
        return bases.get(operator.inputs[0], operator.inputs[0])
    for one in (c for value in operator.outputs for c in evidence.flow.consumers(value)):
        if one.name in WRITES and len(one.inputs) == PAIR:
            return bases.get(one.inputs[0], one.inputs[0])
    return None


def _sum(operator: Operator, sums: dict[Value, Sum]) -> Sum | None:
    """Return the result of an operator as a weighted sum; None if it is none."""
    name = plain_name(operator)
    parts = [sums.get(value, {value: 1.0}) for value in operator.inputs[:PAIR]]
    if operator.name in SAME and parts:
        return parts[0]
    if len(parts) == 1 and name in {"mul", "div"}:
        number = number_in(operator)
        factor = (number if name == "mul" else 1 / number) if number else None
        return _total((parts[0], factor)) if factor is not None else None
    return _of_two(operator, *parts) if len(parts) == PAIR else None


def _of_two(operator: Operator, first: Sum, second: Sum) -> Sum | None:
    name, literals = plain_name(operator), operator.literals
    if name in {"add", "sub"}:
        alpha = float(literals.get("alpha", 1))
        return _total((first, 1), (second, alpha if name == "add" else -alpha))
    weight = literals.get(2, literals.get("weight"))
    if name != "lerp" or not isinstance(weight, int | float):
        return None
    return _total((first, 1 - weight), (second, weight))


def _total(*parts: tuple[Sum, float]) -> Sum:
    found: Sum = {}
    for one, factor in parts:
        for value, own in one.items():
            found[value] = found.get(value, 0.0) + own * factor
    return {value: factor for value, factor in found.items() if factor}
