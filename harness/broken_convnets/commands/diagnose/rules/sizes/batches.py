"""Rules: the samples of a batch have one size, and a batch has as many as the layers need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.failing import failed_call
from broken_convnets.commands.diagnose.analysis.sizes.batches import (
    single_value_explanation,
    stack_explanation,
)
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loaders.batches import failed_batch
from broken_convnets.commands.diagnose.sites import location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

STACK = re.compile(
    r"stack expects each tensor to be equal size, but got \[([\d, ]*)\] at entry (\d+) "
    r"and \[([\d, ]*)\] at entry (\d+)"
)
SINGLE = "Expected more than 1 value per channel when training"


@rule(
    "tensors that are stacked into a batch have one size",
    stays_quiet="about batches of a DataLoader, which another rule is about",
)
def stacked_sizes_differ(evidence: Evidence) -> Iterator[Finding]:
    """Say which samples differ, and where their size is chosen."""
    failed = failed_call(evidence)
    matched = STACK.search(failed.message) if failed else None
    if failed is None or matched is None or failed_batch(evidence):
        return
    first, second = (tuple(map(int, re.findall(r"\d+", matched[k]))) for k in (1, 3))
    why = stack_explanation(evidence, failed, first, second)
    yield Finding(
        kind=why.kind,
        message=f"entry {matched[2]} is {list(first)} and entry {matched[4]} is {list(second)}: "
        "torch.stack needs equal sizes",
        evidence=why.text,
        cause=why.cause or location(failed.places),
        symptom=location(failed.places),
        subject=failed.message,
        cases=why.cases,
        candidates=why.candidates,
        confidence=8,
    )


@rule(
    "a BatchNorm in train mode receives more than one value for each channel",
    stays_quiet="in eval mode, which needs no batch",
)
def batch_norm_of_one_value(evidence: Evidence) -> Iterator[Finding]:
    """Say whether the batch is the last one of an epoch, or a single sample at inference."""
    failed = failed_call(evidence)
    if failed is None or SINGLE not in failed.message or not failed.received:
        return
    why = single_value_explanation(evidence, failed)
    yield Finding(
        kind=why.kind,
        message=f"a BatchNorm in train mode receives {list(failed.received[0].shape)}: "
        "one value for each channel has no variance",
        evidence=why.text,
        cause=why.cause or location(failed.places),
        symptom=location(failed.places),
        subject=failed.message,
        cases=why.cases,
        candidates=why.candidates,
        confidence=9,
    )
