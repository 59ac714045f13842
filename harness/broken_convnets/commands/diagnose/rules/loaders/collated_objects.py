"""The default collate function of a DataLoader stacks tensors, and no other objects."""

from __future__ import annotations

import numbers
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loaders.batches import (
    failed_batch,
    item_method,
    shape_of,
)
from broken_convnets.commands.diagnose.rules.loaders.object_counts import KEEPING, loader_of
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.rules.loaders.batches import FailedBatch

KNOWN = (str, bytes, numbers.Number, type(None))  # None is left to another rule


@rule(
    "samples consist of tensors, arrays, numbers and text, or the loader has a collate_fn",
    stays_quiet="about None and PIL images, which other rules know",
)
def objects_in_default_collate(evidence: Evidence) -> Iterator[Finding]:
    """Find objects of the program's own classes in a batch."""
    frame = require_failure(evidence, TypeError)
    batch = failed_batch(evidence)
    if batch is None or "default_collate" not in evidence.message:
        return
    found = [(place, value) for _, place, value in batch.leaves() if not _is_known(value)]
    if not found:
        return
    place, value = found[0]
    name, kind = type(batch.dataset).__name__, type(value).__name__
    method = item_method(evidence, batch)
    returned = method.returned[0] if method and method.returned else None
    yield Finding(
        kind="data",
        message=f"{name} returns an object of type {kind}, which the default collate function of "
        "a DataLoader cannot stack",
        evidence=f"sample 0 of the batch{' at ' + place if place else ''} is a {kind}: return "
        "tensors, or pass a collate_fn that makes a batch of such objects",
        cause=Location(method.source.path, returned.lineno)
        if method and returned
        else frame_location(frame),
        symptom=frame_location(frame),
        subject=f"{name}{place}",
        cases=("detection/default_collate_of_boxes",),
        candidates=_kept(evidence, batch) if place else (),
        confidence=9,
    )


def _is_known(value: object) -> bool:
    picture = any(one.__module__.startswith("PIL.") for one in type(value).__mro__)
    return picture or isinstance(value, KNOWN) or shape_of(value) is not None


def _kept(evidence: Evidence, batch: FailedBatch) -> tuple[Candidate, ...]:
    """Return the change that keeps the parts of the samples in tuples."""
    loader = loader_of(evidence, batch)
    if loader is None:
        return ()
    change = partial(edits.set_argument, loader.source, loader.call, "collate_fn", None, KEEPING)
    return candidates((0, change))
