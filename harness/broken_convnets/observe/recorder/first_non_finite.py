"""Find the first operator that returned an infinity or a NaN without being asked to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from broken_convnets.observe.recorder.recorded_events import NonFinite
from broken_convnets.observe.recorder.values import look_at

if TYPE_CHECKING:
    import torch

    from broken_convnets.observe.recorder.module_calls import ModuleCalls
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Values


def first_non_finite(
    operator: Operator, taken: list[torch.Tensor], values: Values, calls: ModuleCalls | None
) -> NonFinite | None:
    """Return what is known about an operator if it returned a number that is not finite.

    `taken` are its input tensors. Returns None if it was asked to, or if an operator before it was.
    """
    if all(value.finite is not False for value in operator.outputs) or _asks_for_it(operator):
        return None
    for tensor, value in zip(taken, operator.inputs, strict=True):
        if value.finite is None and values.known(tensor) is value:
            look_at(value, tensor)
    bad = [value for value in operator.inputs if value.finite is False]
    entered = next((value for value in bad if value.operator is None), None)
    if bad and entered is None:
        return None  # an operator returned it that was asked to
    latest = calls.latest if calls else None
    network = latest.network() if latest else None
    return NonFinite(
        operator,
        entered,
        network=type(network).__name__ if network is not None else "",
        forward_pass=latest.number if latest else 0,
        inside=bool(calls and calls.innermost),
    )


def _asks_for_it(operator: Operator) -> bool:
    """Return whether an infinity or a NaN is an argument, as masks have it, or all there is."""
    numbers = [value for value in operator.literals.values() if type(value) is float]
    if not all(map(math.isfinite, numbers)):
        return True
    return not operator.inputs and all(value.shape in {(), (1,)} for value in operator.outputs)
