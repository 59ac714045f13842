"""A step of an optimizer is large enough for the precision of the weights that it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.training.half_weights import BITS, HALVES
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator, OptimizerStep

LOST = 0.85  # the share of weights that a step leaves as they are
MOST = 0.9  # of the steps
STEPS = 3  # at least
COUNT = 20  # weights at least


@rule(
    "an optimizer step changes weights of half precision that have a gradient",
    stays_quiet="unless 9 of 10 steps leave at least 85 % of such weights exactly as they are; "
    "about optimizers of the program, which may keep what is rounded away, and steps with a "
    "learning rate of 0",
)
def updates_rounded_away(evidence: Evidence) -> Iterator[Finding]:
    """Find bfloat16 weights whose updates are smaller than half of their resolution."""
    require_success(evidence)
    steps = [one for one in evidence.record.optimizer_steps if _is_measured(one)]
    lost = [one for one in steps if _share(one) >= LOST]
    fastest = max(steps, key=lambda one: max(one.learning_rates), default=None)
    if len(steps) < STEPS or fastest is None or fastest not in lost or _autocast(evidence):
        return
    dtype = _dtype(evidence, fastest)
    if len(lost) < MOST * len(steps) or dtype is None:
        return
    converted = next(_conversions(evidence), None)
    same, count = (sum(one.unchanged[i] for one in lost) for i in (0, 1))
    name, least = HALVES[dtype], 2.0 ** -(BITS[dtype] + 1)
    yield Finding(
        kind="dtype/half_vs_float",
        message=f"the weights are {name}, and nearly all updates are rounded away",
        evidence=f"with a learning rate of {max(fastest.learning_rates):.3g}, "
        f"{100 * same / count:.0f} % of the weights that have a gradient are the same after a "
        f"step, in {len(lost)} of {len(steps)} steps: {name} keeps {BITS[dtype]} bits, so a step "
        f"below {100 * least:.2g} % of a weight is lost; keep the weights in float32, and use "
        "autocast",
        cause=location(converted.places if converted else fastest.places),
        symptom=location(fastest.places),
        subject=name,
        confidence=8,
    )


def _is_measured(step: OptimizerStep) -> bool:
    import torch.optim  # noqa: PLC0415  (rules are imported where torch may be missing)

    known = hasattr(torch.optim, step.type)
    return known and step.unchanged[1] >= COUNT and max(step.learning_rates, default=0.0) > 0


def _share(step: OptimizerStep) -> float:
    same, count = step.unchanged
    return same / count


def _autocast(evidence: Evidence) -> bool:
    """Return whether a layer has half weights and float32 input, which another rule reports."""
    return any(
        any(one.parameter and one.dtype in HALVES for one in operator.inputs)
        and any(not one.parameter and str(one.dtype) == "torch.float32" for one in operator.inputs)
        and bool(operator.layer)
        and not operator.raised
        for operator in evidence.record.operators
    )


def _dtype(evidence: Evidence, step: OptimizerStep) -> torch.dtype | None:
    """Return the half precision that parameters of a step have."""
    parameters = [evidence.record.parameters[number] for number in step.parameters]
    known = [one.values[-1].dtype for one in parameters if one.values]
    return next((one for one in known if one in HALVES), None)


def _conversions(evidence: Evidence) -> Iterator[Operator]:
    """Yield the operators that made parameters half precision, as `net.half()` does."""
    for operator in evidence.record.operators:
        given = operator.inputs[0] if operator.inputs else None
        made = [one for one in operator.outputs if one.dtype in HALVES]
        converted = given is not None and given.parameter and given.dtype not in HALVES and made
        if converted and operator.places and not operator.layer:
            yield operator
