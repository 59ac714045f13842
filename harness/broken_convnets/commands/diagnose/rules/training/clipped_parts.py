"""Gradients that are accumulated over several batches are clipped once, before the step."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.optimization import Clipping
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, OptimizerStep

GROUPS = 2  # steps of which each uses several backward passes, at least


@rule(
    "gradients that are accumulated over several batches are clipped once, when all are there",
    stays_quiet="unless one line clips after each of the backward passes whose gradients one step "
    "uses, at two steps or more; a warning if no clipping before the last one reached its limit",
)
def clips_before_all_gradients(evidence: Evidence) -> Iterator[Finding]:
    """Find clip_grad_norm_ beside loss.backward(), where only every n-th batch steps."""
    require_success(evidence)
    # An infinite limit only measures the norm.
    clippings = [one for one in evidence.record.clippings if one.limit != inf]
    if len({one.places[:1] for one in clippings}) != 1 or not clippings[0].places:
        return
    several = [
        (step, passes)
        for step in evidence.record.optimizer_steps
        if len(passes := _passes(evidence, step)) > 1
    ]
    early = [_early(clippings, step, passes) for step, passes in several]
    if len(several) < GROUPS or not all(early):
        return
    first, (step, passes) = early[0], several[0]
    reached = [c for group in early for c in group if c.norm is not None and _exceeds(c)]
    text = clippings[0].places[0].text
    yield Finding(
        kind="training",
        message=f"`{text}` clips after each backward pass, before all gradients of a step are "
        "there",
        evidence=f"step {step.number + 1} uses the gradients of {len(passes)} backward passes, and "
        f"{len(first)} clippings come before the last one: they scale what earlier batches added, "
        "so that later batches have more weight"
        + (f"; {len(reached)} of them exceeded the limit" if reached else ""),
        severity=Severity.ERROR if reached else Severity.WARNING,
        cause=location(clippings[0].places),
        symptom=location(step.places),
        subject=text,
        confidence=7,
    )


def _passes(evidence: Evidence, step: OptimizerStep) -> list[BackwardPass]:
    """Return the backward passes of one line whose gradients a step uses."""
    numbers = {n for key in step.parameters for n in step.holds.get(key, ())}
    found = [b for b in evidence.record.backward_passes if b.number in numbers]
    same = len({(b.places[:1], b.received) for b in found}) == 1
    return found if same else []


def _early(
    clippings: list[Clipping], step: OptimizerStep, passes: list[BackwardPass]
) -> list[Clipping]:
    """Return the clippings between the passes, if one comes after each pass but the last."""
    own = [c for c in clippings if c.moment.optimizer_steps == step.number]
    after = {c.moment.backward_passes - 1: c for c in own}
    early = [after.get(b.number) for b in passes[:-1]]
    return [c for c in early if c is not None] if all(early) else []


def _exceeds(clipping: Clipping) -> bool:
    return clipping.limit is not None and (clipping.norm or 0.0) > clipping.limit
