"""A GradScaler scales the loss, and its gradients are unscaled before they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.optimization import Clipping
    from broken_convnets.observe.recorder.recorded_events import OptimizerStep
    from broken_convnets.observe.recorder.scalers import ScalerCall


@rule(
    "gradients of a scaled loss reach the optimizer through the GradScaler",
    stays_quiet="about scalers that are disabled or whose scale is 1, and optimizers whose "
    "gradients unscale_() has unscaled",
)
def step_bypasses_scaler(evidence: Evidence) -> Iterator[Finding]:
    """Find `optimizer.step()` where `scaler.step(optimizer)` belongs."""
    bypassing = [
        (step, call) for step, call in _scaled_steps(evidence) if _bypasses(evidence, step)
    ]
    if not bypassing:
        return
    step, call = bypassing[0]
    yield Finding(
        kind="training/nan_lr",
        message=f"{step.type} steps with scaled gradients: it is not stepped by the GradScaler",
        evidence=f"the loss was multiplied by {call.scale:g} before backward(), and "
        f"{len(bypassing)} of {evidence.record.optimizer_steps.count} steps use such gradients",
        cause=location(step.places),
        symptom=location(call.places),
        subject=step.places[0].text if step.places else "",
        candidates=_through_scaler(evidence, step, call),
        confidence=9,
    )


def _scaled_steps(evidence: Evidence) -> Iterator[tuple[OptimizerStep, ScalerCall]]:
    """Yield the steps whose gradients hold the backward pass of a scaled loss."""
    scaled = {
        call.moment.backward_passes: call
        for call in evidence.record.scaler_calls
        if call.method == "scale" and call.scale > 1
    }
    for step in evidence.record.optimizer_steps if scaled else ():
        held = {n for key in step.parameters for n in step.holds.get(key, ())}
        calls = [scaled[number] for number in sorted(held) if number in scaled]
        if calls:
            yield step, calls[-1]


def _bypasses(evidence: Evidence, step: OptimizerStep) -> bool:
    """Return whether the scaler neither steps nor unscales since the step before."""
    return not any(
        call.method in {"step", "unscale_"} and call.moment.optimizer_steps == step.number
        for call in evidence.record.scaler_calls
    )


def _through_scaler(
    evidence: Evidence, step: OptimizerStep, call: ScalerCall
) -> tuple[Candidate, ...]:
    site, scale = site_of(evidence, step.places), site_of(evidence, call.places)
    if site is None or scale is None or not site.receiver or not scale.receiver:
        return ()
    text = f"{scale.receiver}.step({site.receiver})"
    updates = any(one.method == "update" for one in evidence.record.scaler_calls)

    def stepping() -> edits.Patch:
        patch = edits.replace(site.source, [(site.call, text)])
        if updates:
            return patch
        lines = patch[site.source.path].split("\n")
        end = site.statement.end_lineno or site.statement.lineno
        indent = edits.indentation(site.source, site.statement)
        lines.insert(end, f"{indent}{scale.receiver}.update()")
        return {site.source.path: "\n".join(lines)}

    return candidates((0, stepping))


@rule(
    "gradients are unscaled before they are clipped",
    stays_quiet="about scalers that are disabled or whose scale is 1, and after unscale_()",
)
def clips_scaled_gradients(evidence: Evidence) -> Iterator[Finding]:
    """Find clip_grad_norm_ between scaler.scale(loss).backward() and scaler.step()."""
    clippings = [(c, call) for c in evidence.record.clippings if (call := _scaled(evidence, c))]
    if not clippings:
        return
    clipping, call = clippings[0]
    yield Finding(
        kind="training/clipping_scaled_gradients",
        message="gradients are clipped while they are scaled: unscale_() is missing before",
        evidence=f"the gradients are {call.scale:g} times too large when they are clipped "
        f"({len(clippings)} times); after the scaler divides, their norm is that much too small",
        cause=location(clipping.places),
        symptom=location(call.places),
        subject=clipping.places[0].text if clipping.places else "",
        cases=("training/clipping_before_unscale",),
        candidates=_unscaled(evidence, clipping),
        confidence=9,
    )


def _scaled(evidence: Evidence, clipping: Clipping) -> ScalerCall | None:
    """Return the call that scaled the loss of the last backward pass, if nothing unscaled it."""
    latest = clipping.moment.backward_passes - 1
    found = None
    for call in evidence.record.scaler_calls:
        if call.method == "scale" and call.moment.backward_passes == latest and call.scale > 1:
            found = call
        before = call.moment.operators <= clipping.moment.operators
        if call.method == "unscale_" and before and call.moment.backward_passes == latest + 1:
            return None
    return found


def _unscaled(evidence: Evidence, clipping: Clipping) -> tuple[Candidate, ...]:
    steps = [call for call in evidence.record.scaler_calls if call.method == "step"]
    site = site_of(evidence, clipping.places)
    step = site_of(evidence, steps[0].places) if steps else None
    optimizer = argument(step.call, "optimizer", 0) if step else None
    if site is None or step is None or optimizer is None:
        return ()
    text = f"{step.receiver}.unscale_({step.source.text_of(optimizer)})"
    return candidates((0, lambda: edits.insert_before(site.source, site.statement, text)))
