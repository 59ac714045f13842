"""Whether a loss grows or falls with the result of an operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

LIMIT = 64  # values that are followed


def sign_in_loss(evidence: Evidence, operator: Operator) -> int:
    """Return 1 if a loss grows with what an operator returns, -1 if it falls, and 0 if unknown."""
    roots = {root for one in evidence.record.backward_passes for root in one.roots}
    waiting = [(value, 1) for value in operator.outputs]
    for value, sign in waiting:  # it grows
        if value in roots:
            return sign
        for user in evidence.flow.consumers(value):
            if len(waiting) < LIMIT:
                waiting += [(one, sign * _sign(user, value)) for one in user.outputs]
    return 0


def _sign(user: Operator, value: Value) -> int:
    """Return the sign of one of the inputs of an operator in its result."""
    name = plain_name(user)
    number = number_in(user) if len(user.inputs) == 1 else None
    second = len(user.inputs) > 1 and user.inputs[0] is not value
    negative = name in {"mul", "div"} and number is not None and number < 0
    turned = name == "neg" or (name == "rsub" and not second) or (name == "sub" and second)
    return -1 if turned or negative else 1
