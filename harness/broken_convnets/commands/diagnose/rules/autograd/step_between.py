"""No optimizer steps between a forward pass and its backward pass."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import OptimizerStep

Attempt = tuple[int, "Callable[[], Patch]"]


def is_about_in_place(evidence: Evidence) -> bool:
    """Return whether autograd refused what an in-place operator had changed."""
    return "modified by an inplace operation" in evidence.message


def changed_shape(evidence: Evidence) -> tuple[int, ...] | None:
    """Return the shape of the changed tensor, as the message says it."""
    found = re.search(r"\[torch\.\S+ \[([\d, ]*)\]\]", evidence.message)
    return tuple(int(n) for n in found[1].split(",") if n.strip()) if found else None


@rule(
    "no optimizer steps between a forward pass and its backward pass",
    stays_quiet="if the tensor that changed has the shape of no parameter",
)
def step_before_backward(evidence: Evidence) -> Iterator[Finding]:
    """Find optimizer steps that change parameters which a later backward pass still needs."""
    frame = require_failure(evidence, RuntimeError)
    shape = changed_shape(evidence)
    if shape is None or not is_about_in_place(evidence):
        return
    step = step_between(evidence, shape)
    if step is None or not step.places:
        return
    name = next(
        (
            evidence.record.parameters[n].name
            for n in step.parameters
            if evidence.record.parameters[n].shape in {shape, shape[::-1]}
        ),
        "",
    )
    yield Finding(
        kind="training/step_between_forward_and_backward",
        message="an optimizer steps between a forward pass and its backward pass",
        evidence=f"the step changes {name or 'a parameter'} {list(shape)}, which the backward "
        f"pass at line {frame.place.line} still needs as it was",
        cause=location(step.places),
        symptom=frame_location(frame),
        subject=step.places[0].text,
        candidates=candidates(*_later_step(evidence, step)),
        confidence=10,
    )


def step_between(evidence: Evidence, shape: tuple[int, ...]) -> OptimizerStep | None:
    """Return the last step after the forward pass of the failed backward pass began."""
    record = evidence.record
    failed = record.backward_passes.latest
    if failed is None or not failed.raised:
        return None
    own = evidence.flow.ancestors(failed.roots)
    numbers = [v.operator for v in own if v.operator is not None and v.requires_grad]
    if not numbers:
        return None
    shapes = {shape, shape[::-1]}
    for step in reversed(list(record.optimizer_steps)):
        touched = any(record.parameters[n].shape in shapes for n in step.parameters)
        if step.moment.operators > min(numbers) and touched:
            return step
    return None


def _later_step(evidence: Evidence, step: OptimizerStep) -> Iterator[Attempt]:
    site, frame = site_of(evidence, step.places), evidence.frames[0]
    target = frame.statement
    if site is None or target is None or site.source is not frame.source:
        return
    if target in site.source.block_of(site.statement):
        yield 0, partial(edits.move, site.source, site.statement, target, after=True)
        yield 1, partial(edits.move, site.source, target, site.statement, after=False)
