"""Optimizers that are constructed step, with the gradients of the backward pass."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    Site,
    assigned_name,
    candidates,
    location,
    location_in,
    require_success,
    site_of,
)
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.optimization import BuiltOptimizer
    from broken_convnets.observe.recorder.recorded_events import BackwardPass, OptimizerStep
    from broken_convnets.observe.recorder.schedulers import SchedulerStep


@rule(
    "an optimizer whose parameters receive gradients steps",
    stays_quiet="about programs that failed, or pass the optimizer to other code, such as a "
    "GradScaler, and those that have a call of step() which does not run, unless a scheduler steps",
    whole_program=True,
)
def optimizer_never_steps(evidence: Evidence) -> Iterator[Finding]:
    """Find optimizers that are constructed, get gradients, and are never used to step."""
    require_success(evidence)
    stepped = {number for step in evidence.record.optimizer_steps for number in step.parameters}
    for built in evidence.record.built_optimizers:
        own = set(built.parameters)
        passes = [b for b in evidence.record.backward_passes if own & set(b.received)]
        site = site_of(evidence, built.places)
        if not passes or own & stepped or site is None:
            continue
        name = assigned_name(site.source, site.statement)
        scheduled = _steps_of_scheduler(evidence)
        if not name or (_may_step(evidence, name) and not scheduled):
            continue
        yield _never_steps(evidence, built, name, passes, scheduled)


def _never_steps(
    evidence: Evidence,
    built: BuiltOptimizer,
    name: str,
    passes: list[BackwardPass],
    scheduled: list[SchedulerStep],
) -> Finding:
    place = passes[-1].places
    site = site_of(evidence, place)
    also = f"; its scheduler steps {len(scheduled)} times" if scheduled else ""
    return Finding(
        kind="training/not_learning",
        message=f"{name}.step() is never called, so no parameter changes",
        evidence=f"the parameters of {built.type} receive gradients in {len(passes)} backward "
        f"passes, and no optimizer steps{also}",
        violates=(Law.EVERY_PARAMETER_MOVES,),
        cause=location(scheduled[-1].places if scheduled else place),
        symptom=location(place) if scheduled else None,
        subject=name,
        cases=("training/missing_optimizer_step",),
        candidates=_step_after(site, name) if site else (),
        confidence=9,
    )


def _steps_of_scheduler(evidence: Evidence) -> list[SchedulerStep]:
    """Return the steps of the schedulers of a program whose only optimizer never steps."""
    record = evidence.record
    only = len(record.built_optimizers) == 1 and not record.optimizer_steps.count
    scaled = any("GradScaler" in source.text for source in evidence.user_sources)
    steps = list(record.scheduler_steps) if only and not scaled else []
    return steps if len(steps) > 1 else []


def _step_after(site: Site, name: str) -> tuple[Candidate, ...]:
    """Return the change that steps after the backward pass and a clipping that follows it."""
    block = site.source.block_of(site.statement)
    after = block[block.index(site.statement) + 1 :]
    clipping = [s for s in after[:2] if "clip_grad" in site.source.text_of(s)]
    target = clipping[-1] if clipping else site.statement
    return candidates((0, lambda: edits.insert_after(site.source, target, f"{name}.step()")))


def _may_step(evidence: Evidence, name: str) -> bool:
    """Return whether the program steps the optimizer somewhere, or passes it to unknown code."""
    last = name.rpartition(".")[2]
    for source in evidence.user_sources:
        for node in source.nodes:
            if not isinstance(node, ast.Call):
                continue
            function = node.func
            is_step = isinstance(function, ast.Attribute) and function.attr == "step"
            if is_step and source.text_of(function.value).rpartition(".")[2] == last:  # type: ignore[attr-defined]  # an attribute
                return True
            if called_name(node) in {"step", "prepare", "minimize"} and _names(node.args, last):
                return True
    return False


def _names(nodes: list[ast.expr], name: str) -> bool:
    inside = (inner for node in nodes for inner in ast.walk(node))
    return any(getattr(n, "id", getattr(n, "attr", "")) == name for n in inside)


@rule(
    "gradients last from the backward pass to the optimizer step",
    stays_quiet="if any parameter of the optimizer still has a gradient at the step",
)
def gradients_cleared_before_step(evidence: Evidence) -> Iterator[Finding]:
    """Find steps that do nothing because zero_grad() ran after backward()."""
    require_success(evidence)
    steps = list(evidence.record.optimizer_steps)
    lost = [step for step in steps if _gradients_were_lost(evidence, step)]
    own = [step for step in steps if lost and step.parameters == lost[0].parameters]
    if not lost or any(set(step.parameters) & set(step.holds) for step in own):
        return
    site = site_of(evidence, lost[0].places)
    zero = _zero_grad_before(site) if site else None
    cause = location_in(site.source, zero) if site and zero else location(lost[0].places)
    yield Finding(
        kind="training/not_learning",
        message="the gradients are cleared between backward() and step()",
        evidence=f"at {len(lost)} of {len(own)} steps of {lost[0].type} no parameter has a "
        "gradient, although backward passes before them computed gradients",
        violates=(Law.EVERY_PARAMETER_MOVES,),
        cause=cause,
        symptom=location(lost[0].places),
        subject=lost[0].places[0].text if lost[0].places else "",
        candidates=_reorderings(site, zero) if site else (),
        confidence=9,
    )


def _gradients_were_lost(evidence: Evidence, step: OptimizerStep) -> bool:
    own = set(step.parameters)
    if own & set(step.holds) or len(step.without_gradient) < len(own):
        return False
    earlier = [
        s
        for s in evidence.record.optimizer_steps
        if s.number < step.number and own & set(s.parameters)
    ]
    begin = earlier[-1].moment.backward_passes if earlier else 0
    between = range(begin, step.moment.backward_passes)
    return any(
        b.number in between and own & set(b.received) for b in evidence.record.backward_passes
    )


def _zero_grad_before(site: Site) -> ast.stmt | None:
    """Return the call of zero_grad() that precedes the step directly in its block."""
    block = site.source.block_of(site.statement)
    before = block[: block.index(site.statement)]
    found = [s for s in before if "zero_grad(" in site.source.text_of(s)]
    return found[-1] if found else None


def _reorderings(site: Site, zero: ast.stmt | None) -> tuple[Candidate, ...]:
    """Return the moves that bring zero_grad(), backward() and step() into order."""
    source, step = site.source, site.statement
    block = source.block_of(step)
    backward = [s for s in block if "backward(" in source.text_of(s)]
    if not backward:
        if zero is None:
            return ()
        return candidates((0, lambda: edits.move(source, zero, step, after=True)))
    if zero is not None and backward[-1].lineno < zero.lineno:
        return candidates(
            (0, lambda: edits.move(source, zero, backward[0], after=False)),
            (1, lambda: edits.move(source, zero, step, after=True)),
        )
    return candidates((0, lambda: edits.move(source, step, backward[-1], after=True)))
