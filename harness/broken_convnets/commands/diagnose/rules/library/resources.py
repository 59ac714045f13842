"""A program fits into memory, and every parameter of a distributed network is used."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence


@rule(
    "a program fits into the memory of its device",
    stays_quiet="about memory of the CPU that the system frees by killing the process",
)
def out_of_memory(evidence: Evidence) -> Iterator[Finding]:
    """Find where the memory of a device ran out, and what the batch was."""
    frame = require_failure(evidence)
    types = (torch.OutOfMemoryError, MemoryError)
    words = "out of memory" in evidence.message or "can't allocate memory" in evidence.message
    if not isinstance(evidence.error, types) and not words:
        return
    latest = evidence.record.passes.latest
    batch = next((v.shape for v in latest.received if v.shape), None) if latest else None
    size = f"the last forward pass received {list(batch)}; " if batch else ""
    text = shortened(frame.source.text_of(frame.statement)) if frame.statement else ""
    yield Finding(
        kind="memory/oom",
        message=f"the memory ran out at `{text}`",
        evidence=f"{size}use a smaller batch, torch.no_grad() in evaluation, and .item() for "
        "numbers that are kept",
        cause=frame_location(frame),
        subject="memory",
        confidence=8,
    )


@rule(
    "every parameter of a DistributedDataParallel network gets a gradient",
    stays_quiet="about networks in one process without DistributedDataParallel",
)
def parameters_unused_in_ddp(evidence: Evidence) -> Iterator[Finding]:
    """Find parameters that a distributed network waits for in vain."""
    frame = require_failure(evidence, RuntimeError)
    if "finished reduction" not in evidence.message:
        return
    built = [b for b in evidence.record.constructions if b.type == "DistributedDataParallel"]
    site = site_of(evidence, built[-1].places) if built else None
    received = {n for b in evidence.record.backward_passes for n in b.received}
    latest = evidence.record.passes.latest
    numbers = latest.parameters if latest else ()
    names = [evidence.record.parameters[n].name for n in numbers if n not in received]
    yield Finding(
        kind="training/unused_parameters",
        message="some parameters get no gradient, and DistributedDataParallel waits for them",
        evidence=f"without a gradient: {', '.join(names[:3])}" if names else "a layer is not used",
        cause=location(built[-1].places) if built else frame_location(frame),
        symptom=frame_location(frame),
        subject="parameters",
        candidates=candidates(
            (
                1,
                partial(
                    edits.set_argument,
                    site.source,
                    site.call,
                    "find_unused_parameters",
                    None,
                    "True",
                ),
            )
        )
        if site
        else (),
        confidence=9,
    )
