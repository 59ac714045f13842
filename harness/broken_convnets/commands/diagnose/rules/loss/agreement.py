"""Whether a value is larger where two labels are equal, or where they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

EQUAL = frozenset({"eq", "__eq__"})
DIFFERENT = frozenset({"ne", "__ne__"})
KEEPING = TRANSPARENT | {"add", "__add__", "__radd__", "sub", "__sub__", "bool", "long", "int"}
SCALING = frozenset({"mul", "__mul__", "__rmul__", "div", "__truediv__"})
FLIPPING = frozenset({"neg", "__neg__", "rsub", "__rsub__", "logical_not", "__invert__"})
STEPS = 12


def agreement(evidence: Evidence, value: Value) -> int:
    """Return 1 if a value grows with the equality of two labels, -1 with their difference.

    Returns 0 if it was computed in another way, or from anything else.
    """
    sign = 1
    for _ in range(STEPS):
        operator = evidence.record.producer(value)
        if operator is None or not operator.inputs:
            return 0
        if operator.name in EQUAL | DIFFERENT:
            return _of_labels(evidence, operator) * (sign if operator.name in EQUAL else -sign)
        sign *= _direction(operator)
        if not sign:
            return 0
        value = operator.inputs[0]
    return 0


def _of_labels(evidence: Evidence, operator: Operator) -> int:
    """Return 1 if an operator compares integers of the data with one another, else 0."""
    labels = operator.inputs
    pairs = len(labels) == 2 and not any(one.dtype.is_floating_point for one in labels)  # noqa: PLR2004  (two labels)
    return int(pairs and not any(evidence.flow.depends_on_network(one) for one in labels))


def _direction(operator: Operator) -> int:
    """Return 1 or -1 for an operator whose output rises or falls with its input, else 0."""
    literals = operator.literals
    numbers = [n for n in literals.values() if isinstance(n, int | float)]
    if operator.name == "where" and len(operator.inputs) == 1 and len(numbers) == 2:  # noqa: PLR2004  (chosen, other)
        return (numbers[0] > numbers[1]) - (numbers[0] < numbers[1])
    if len(operator.inputs) != 1:
        return 0
    if operator.name in SCALING:
        return (numbers[0] > 0) - (numbers[0] < 0) if numbers else 0
    if operator.name in FLIPPING:
        return -1
    return 1 if operator.name in KEEPING else 0
