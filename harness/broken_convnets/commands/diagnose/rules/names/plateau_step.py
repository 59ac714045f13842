"""ReduceLROnPlateau.step() is called with a metric."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location
from broken_convnets.commands.diagnose.analysis.signatures import MISSING, failed_signature
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.signatures import Called
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence

PLATEAU = "ReduceLROnPlateau.step"
METRIC = re.compile(r"(?:^|_)(?:loss|losses|metric|metrics|error|acc|accuracy|score)(?:$|_)")
VALIDATION = re.compile(r"(?:^|_)(?:val|valid|validation|test|eval)(?:$|_)")


@rule(
    "ReduceLROnPlateau.step() receives the metric that should improve",
    stays_quiet="about other schedulers",
)
def plateau_without_metric(evidence: Evidence) -> Iterator[Finding]:
    """Find `scheduler.step()` of a ReduceLROnPlateau."""
    called, _ = failed_signature(evidence, MISSING)
    if called.name != PLATEAU:
        return
    names = _metrics(called)
    passes = [partial(with_arguments, called, [name]) for name in names]
    yield Finding(
        kind="training/plateau_metric",
        message=f"`{called.text}` does not pass the metric of ReduceLROnPlateau",
        evidence="it compares the metric with its best value so far: pass the loss of the "
        "validation, or another value that should improve",
        cause=frame_location(called.frame),
        subject=called.text,
        cases=("training/plateau_scheduler_without_metric",),
        candidates=candidates(*((0, one) for one in passes)) if len(passes) == 1 else (),
        confidence=11,
    )


def _metrics(called: Called) -> list[str]:
    """Return the variables with a number whose name says that it is a metric."""
    local, world = called.frame.scope.local, called.frame.scope.world
    numbers = [name for name in {**world, **local} if _is_number(called.frame.scope.lookup(name))]
    found = [name for name in numbers if METRIC.search(name.lower())]
    validated = [name for name in found if VALIDATION.search(name.lower())]
    losses = [name for name in validated or found if "loss" in name.lower()]
    return losses or validated or found


def _is_number(value: object) -> bool:
    if isinstance(value, torch.Tensor):
        return value.numel() == 1 and not value.is_meta
    return isinstance(value, float)


def with_arguments(called: Called, added: list[str]) -> Patch:
    """Return the call with more arguments at its end."""
    source, call = called.frame.source, called.call
    text = source.text_of(call)
    inside = "" if not call.args and not call.keywords else ", "
    new = f"{text[:-1].rstrip().rstrip(',')}{inside}{', '.join(added)})"
    return edits.replace(source, [(call, new)])
