"""What an optimizer trains reaches its loss as a tensor, not as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.dataflow import CUTS
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, require_success
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.optimization import BuiltOptimizer
    from broken_convnets.observe.recorder.recorded_events import Operator, OptimizerStep

STEPS = 3  # without a gradient, at least
DETACHED = frozenset({"detach", "__get__ data"})  # tensors that other rules follow to the loss


@rule(
    "an optimizer steps with gradients",
    stays_quiet="unless no parameter of an optimizer has a gradient at any of its steps, and what "
    "its network returned became numbers before each step",
)
def output_becomes_numbers(evidence: Evidence) -> Iterator[Finding]:
    """Find a policy whose mean goes through NumPy to the distribution that the loss uses."""
    require_success(evidence)
    received = {number for one in evidence.record.backward_passes for number in one.received}
    for built in evidence.record.built_optimizers:
        steps = _without_gradients(evidence, built)
        if len(steps) < STEPS or received & set(built.parameters):
            continue
        cuts = [_cut(evidence, built, step) for step in steps[:STEPS]]
        first = cuts[0]
        if first is None or not all(cuts) or not first.places:
            continue
        yield Finding(
            kind="training/graph_detached",
            message=f"{built.type} steps without any gradient: the output of its network leaves "
            "the graph before the loss",
            evidence=f"none of its {len(built.parameters)} parameters has a gradient at any of "
            f"{len(steps)} steps; `{first.places[0].text}` turns the output into numbers, and the "
            "loss is computed from these",
            violates=(Law.EVERY_PARAMETER_LEARNS,),
            cause=location(first.places),
            symptom=location(steps[0].places),
            subject=first.places[0].text,
            confidence=7,
        )


def _without_gradients(evidence: Evidence, built: BuiltOptimizer) -> list[OptimizerStep]:
    """Return the steps of an optimizer, if none of its parameters has a gradient at any."""
    own = set(built.parameters)
    steps = [one for one in evidence.record.optimizer_steps if own == set(one.parameters)]
    return steps if all(own <= set(one.without_gradient) for one in steps) else []


def _cut(evidence: Evidence, built: BuiltOptimizer, step: OptimizerStep) -> Operator | None:
    """Return the operator that turned the network's output into numbers before a step."""
    own = set(built.parameters)
    passes = [
        one
        for one in evidence.record.passes
        if own & set(one.parameters) and one.moment.optimizer_steps <= step.moment.optimizer_steps
    ]
    if not passes or not passes[-1].grad_enabled:
        return None
    values = evidence.flow.descendants(passes[-1].returned)
    users = {id(o): o for value in values for o in evidence.flow.consumers(value)}
    cuts = [o for o in users.values() if o.name in CUTS - DETACHED and o.places]
    return min(cuts, key=lambda one: one.number, default=None)
