"""Gradients are clipped between the backward pass and the step, and there are some to clip."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    Site,
    assignments,
    candidates,
    location,
    location_in,
    require_success,
    site_of,
)
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.optimization import Clipping
    from broken_convnets.observe.recorder.recorded_events import OptimizerStep


@rule(
    "gradient clipping receives parameters",
    stays_quiet="about iterators whose items cannot be counted without reading them",
)
def clips_nothing(evidence: Evidence) -> Iterator[Finding]:
    """Find calls of clip_grad_norm_ on a generator that is exhausted, or on an empty list."""
    clippings = list(evidence.record.clippings)
    empty = [clipping for clipping in clippings if clipping.empty]
    if not empty:
        return
    site = site_of(evidence, empty[0].places)
    origin = _origin(site) if site else None
    source = site.source if site else None
    yield Finding(
        kind="training/exhausted_generator",
        message="gradient clipping receives no parameter: its generator is exhausted",
        evidence=f"{len(empty)} of {len(clippings)} calls clip nothing; other code, such as the "
        "optimizer, has read the generator before",
        violates=(Law.NO_WARNINGS,),
        cause=location_in(source, origin) if source and origin else location(empty[0].places),
        symptom=location(empty[0].places),
        subject=empty[0].places[0].text if empty[0].places else "",
        cases=("training/clip_grad_norm_exhausted_generator",),
        candidates=candidates(
            (
                0,
                lambda: edits.replace(
                    source, [(origin.value, f"list({source.text_of(origin.value)})")]
                ),
            )
        )
        if source and origin
        else (),
        confidence=9,
    )


def _origin(site: Site) -> ast.Assign | None:
    """Return the only assignment of the generator that is passed."""
    first = site.call.args[0] if site.call.args else None
    if not isinstance(first, ast.Name | ast.Attribute):
        return None
    scopes = [site.source.function_of(site.call), site.source.class_of(site.call), site.source.tree]
    for scope in scopes:
        found = assignments(site.source, site.source.text_of(first), scope) if scope else []
        if len(found) == 1:
            return found[0]
    return None


@rule(
    "gradients are clipped before the optimizer uses them",
    stays_quiet="unless every clipping comes after the step and before the next backward pass",
)
def clips_after_step(evidence: Evidence) -> Iterator[Finding]:
    """Find clipping that changes gradients only when the step has used them."""
    require_success(evidence)
    clippings = [clipping for clipping in evidence.record.clippings if not clipping.empty]
    steps = list(evidence.record.optimizer_steps)
    late = [clipping for clipping in clippings if _is_late(clipping, steps)]
    early = [clipping for clipping in clippings if not clipping.moment.backward_passes]
    if not late or len(late) + len(early) < len(clippings):
        return
    where = "before the backward pass" if early else "after the optimizer step"
    site, step = site_of(evidence, clippings[0].places), site_of(evidence, steps[0].places)
    yield Finding(
        kind="training/not_learning",
        message=f"gradients are clipped {where}, when no step is going to use them",
        evidence=f"all {len(clippings)} calls come before the backward pass whose gradients the "
        "next step uses, and after the step before",
        cause=location(clippings[0].places),
        subject=clippings[0].places[0].text if clippings[0].places else "",
        candidates=candidates(
            (0, lambda: edits.move(site.source, site.statement, step.statement, after=False))
        )
        if site and step and site.shares_block(step)
        else (),
        confidence=8,
    )


def _is_late(clipping: Clipping, steps: list[OptimizerStep]) -> bool:
    """Return whether steps, and no backward pass, lie directly before a clipping and none after."""
    passes = clipping.moment.backward_passes
    same = [step for step in steps if step.moment.backward_passes == passes]
    return bool(same) and all(step.number < clipping.moment.optimizer_steps for step in same)
