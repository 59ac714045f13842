"""Learning rate schedulers that are constructed step, after their optimizers."""

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
    require_success,
    site_of,
)
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.recorded_events import OptimizerStep


@rule(
    "a learning rate scheduler steps",
    stays_quiet="if a call of step() did not run that may be the scheduler's, or the learning rate "
    "changes",
    whole_program=True,
)
def scheduler_never_steps(evidence: Evidence) -> Iterator[Finding]:
    """Find schedulers that are constructed and never used, with a constant learning rate."""
    require_success(evidence)
    steps = list(evidence.record.optimizer_steps)
    if not steps or len({step.learning_rates for step in steps if step.finished}) > len(
        {step.parameters for step in steps}
    ):
        return
    stepped = {step.scheduler for step in evidence.record.scheduler_steps}
    for number, built in enumerate(evidence.record.built_schedulers):
        site = site_of(evidence, built.places)
        name = assigned_name(site.source, site.statement) if site else ""
        if site is None or not name or number in stepped or _may_step(evidence, name):
            continue
        rates = steps[-1].learning_rates
        yield Finding(
            kind="training/not_learning",
            message=f"{name}.step() is never called, so the learning rate never changes",
            evidence=f"{built.type} is constructed and not used afterwards; the learning rate is "
            f"{rates[0]:g} at all {len(steps)} optimizer steps",
            violates=() if any(rates) else (Law.EVERY_PARAMETER_MOVES,),
            cause=location(steps[-1].places),
            subject=name,
            cases=("training/missing_scheduler_step",),
            candidates=_scheduler_steps(evidence, name, steps[-1]),
            confidence=8,
        )


def _may_step(evidence: Evidence, name: str) -> bool:
    """Return whether a call of step() that never ran may be the scheduler's.

    A program without such a call may pass the scheduler on, but not step it.
    """
    if len(evidence.record.built_schedulers) > 1:
        return _is_named(evidence, name)  # by another scheduler
    sites = [site_of(evidence, step.places) for step in evidence.record.optimizer_steps]
    optimizers = {site.receiver.rpartition(".")[2] for site in sites if site}
    return any(
        source.text_of(node.func.value).rpartition(".")[2] not in optimizers
        for source in evidence.user_sources
        for node in source.nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"step", "prepare", "step_update"}
    )


def _is_named(evidence: Evidence, name: str) -> bool:
    """Return whether the program reads the name or attribute that holds the scheduler."""
    last = name.rpartition(".")[2]
    for source in evidence.user_sources:
        for node in source.nodes:
            read = isinstance(getattr(node, "ctx", None), ast.Load)
            if read and last in {getattr(node, "id", ""), getattr(node, "attr", "")}:
                return True
    return False


def _scheduler_steps(evidence: Evidence, name: str, step: OptimizerStep) -> tuple[Candidate, ...]:
    site = site_of(evidence, step.places)
    if site is None:
        return ()
    return candidates(
        (0, lambda: edits.insert_after(site.source, site.statement, f"{name}.step()"))
    )


@rule(
    "a scheduler steps after its optimizer",
    stays_quiet="unless PyTorch itself warns about the order, and if a GradScaler may skip steps",
)
def scheduler_before_optimizer(evidence: Evidence) -> Iterator[Finding]:
    """Find the schedulers that PyTorch warns about: they skip the first learning rate."""
    require_success(evidence)
    steps = list(evidence.record.optimizer_steps)
    for warned in evidence.record.warnings:
        if "lr_scheduler.step()` before `optimizer.step()" not in warned.message or not steps:
            continue
        site, target = site_of(evidence, warned.places), site_of(evidence, steps[0].places)
        if site is None or "GradScaler" in site.source.text:
            continue
        yield Finding(
            kind="training/scheduler_order",
            message="the scheduler steps before the optimizer",
            evidence="the first learning rate of the schedule is skipped, as PyTorch warns",
            violates=(Law.NO_WARNINGS,),
            cause=location(warned.places),
            subject=site.called,
            candidates=_later(site, target),
            confidence=7,
        )
        return


def _later(site: Site, target: Site | None) -> tuple[Candidate, ...]:
    if target is None or not site.shares_block(target):
        return ()

    def moved() -> Patch:
        return edits.move(site.source, site.statement, target.statement, after=True)

    return candidates((0, moved))
