"""Say where a program computes what the case computes, though the fix computes something else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.learn.pair.behavior import Behavior
    from broken_convnets.commands.learn.pair.start import Named


@dataclass(frozen=True)
class Measure:
    """When case and fix differ, and which share of the way between them a program must go.

    A right fix goes nearly all of it. With another activation its outputs go a third of it, with
    another learning rate its parameters a tenth.
    """

    clear: float = 1e-4  # relative difference of case and fix: rounding is near 1e-6
    share: float = 0.2


VALUE = Measure(share=0.1)
GRADIENT = Measure()
STATE = Measure(clear=1e-5, share=0.02)  # a step changes a parameter by little of its size
DIRECTION = Measure(clear=1e-2)
DIRECTION_OF_UPDATE = Measure(clear=1e-2, share=0.02)
SHARE_OF_RATE = 0.2  # of the way in orders of magnitude
LEAST_UPDATE = 1e-3  # of what a run of the fix changes the parameters by
LEAST_RATE = 1e-12


def kept(seen: Behavior, fixed: Behavior, broken: Behavior) -> Iterator[str]:
    """Yield what a program keeps of the case, as a clause each."""
    if kept_values(VALUE, seen.outputs, fixed.outputs, broken.outputs):
        yield "the network returns the output of the case"
    if kept_values(VALUE, seen.result, fixed.result, broken.result):
        yield "the run returns the result of the case"
    if not fixed.rates:
        yield from _kept_gradients(seen.gradients, fixed.gradients, broken.gradients)
    for name in kept_values(STATE, seen.state, fixed.state, broken.state):
        yield f"the run leaves the value of the case in {name}"
    if _keeps_direction(DIRECTION_OF_UPDATE, seen.update, fixed.update, broken.update):
        yield "the run changes the parameters in the direction of the case"
    if _keeps_rate(seen.rates, fixed.rates, broken.rates):
        yield "a step has the learning rate of the case"
    if _is_far_less(seen.update, fixed.update):
        yield f"the run changes the parameters by less than {LEAST_UPDATE:g} of what the fix does"


def _kept_gradients(seen: Named, fixed: Named, broken: Named) -> Iterator[str]:
    """Yield what a run without steps keeps: after some, two networks may be dead alike."""
    for name in kept_values(GRADIENT, seen, fixed, broken):
        yield f"the run leaves the gradient of the case in {name}"
    if _keeps_direction(DIRECTION, seen, fixed, broken):
        yield "the gradients are those of the case times a number"


def kept_values(measure: Measure, seen: Named, fixed: Named, broken: Named) -> list[str]:
    """Return the names of the values that are those of the case, where the fix has others."""
    return [
        name
        for name in _shared(seen, fixed, broken)
        if _is_kept(measure, seen[name].double(), fixed[name].double(), broken[name].double())
    ]


def _shared(seen: Named, fixed: Named, broken: Named) -> list[str]:
    """Return the names that all have, for values of one shape."""
    return [
        name
        for name in fixed
        if name in seen
        and name in broken
        and seen[name].shape == fixed[name].shape == broken[name].shape
    ]


def _is_kept(
    measure: Measure, seen: torch.Tensor, fixed: torch.Tensor, broken: torch.Tensor
) -> bool:
    if not _is_finite(fixed):
        return False
    if not _is_finite(broken):
        return not _is_finite(seen)
    between = float((fixed - broken).norm())
    if between <= measure.clear * max(float(fixed.norm()), float(broken.norm())):
        return False
    return float((seen - broken).norm()) <= measure.share * between


def _keeps_direction(measure: Measure, seen: Named, fixed: Named, broken: Named) -> bool:
    """Compare all values as one vector of length one: a factor changes nothing."""
    names = _shared(seen, fixed, broken)
    one, ours, theirs = (_unit(side, names) for side in (seen, fixed, broken))
    if one is None or ours is None or theirs is None:
        return False
    return _is_kept(measure, one, ours, theirs)


def _unit(values: Named, names: list[str]) -> torch.Tensor | None:
    """Return values as a vector of length one; None if it has no direction."""
    vector = torch.cat([torch.zeros(1), *(values[name].double().flatten() for name in names)])
    length = float(vector.norm())
    return vector / length if 0 < length < math.inf else None


def _keeps_rate(seen: list[float], fixed: list[float], broken: list[float]) -> bool:
    """Compare step by step, in orders of magnitude."""
    if not len(seen) == len(fixed) == len(broken):
        return False
    return any(
        abs(_order(ours) - _order(theirs)) > 1
        and abs(_order(one) - _order(theirs)) <= SHARE_OF_RATE * abs(_order(ours) - _order(theirs))
        for one, ours, theirs in zip(seen, fixed, broken, strict=True)
    )


def _order(rate: float) -> float:
    return math.log(max(rate, LEAST_RATE))


def _is_far_less(seen: Named, fixed: Named) -> bool:
    one, ours = (
        math.hypot(*(float(side[name].double().norm()) for name in seen.keys() & fixed.keys()))
        for side in (seen, fixed)
    )
    return one < LEAST_UPDATE * ours < math.inf


def _is_finite(tensor: torch.Tensor) -> bool:
    return bool(tensor.isfinite().all())
