"""A scheduler that starts anew has last_epoch=-1; any other number resumes a schedule."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence


@rule(
    "a scheduler resumes an optimizer whose state has the initial learning rates",
    stays_quiet="unless PyTorch itself refuses to construct the scheduler",
)
def scheduler_resumes_nothing(evidence: Evidence) -> Iterator[Finding]:
    """Find `last_epoch` other than -1 with an optimizer that has no `initial_lr`."""
    frame = require_failure(evidence, KeyError)
    call = frame.call
    if call is None or "initial_lr" not in evidence.message:
        return
    last = argument(call, "last_epoch")
    new = isinstance(last, ast.Constant) and last.value == 0
    loaded = bool(evidence.record.state_loads)
    advice = (
        "0 resumes after the first epoch, -1 starts anew"
        if new
        else "load the optimizer's state before this line, or set `initial_lr` in each group"
    )
    change = partial(edits.replace, frame.source, [(last, "-1")]) if last is not None else None
    yield Finding(
        kind="training/scheduler_initial_lr",
        message=f"`{shortened(frame.source.text_of(call))}` resumes a schedule, and the optimizer "
        "is a new one",
        evidence=f"its groups have no `initial_lr`, which the first scheduler writes: {advice}",
        cause=frame_location(frame),
        subject=frame.source.text_of(call.func),
        cases=("training/scheduler_resumed_without_initial_lr",),
        candidates=candidates((0, change)) if change and not loaded else (),
        confidence=10,
    )
