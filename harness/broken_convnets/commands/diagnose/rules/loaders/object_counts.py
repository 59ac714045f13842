"""Samples with different numbers of objects stay in lists: the batch of a detector."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.rules.loaders.batches import shape_of
from broken_convnets.commands.diagnose.sites import Site, candidates, location_in, site_of

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loaders.batches import FailedBatch

IMAGE = 3  # dimensions: channels, height, width
KEEPING = "lambda batch: tuple(zip(*batch))"


def objects_per_image(
    evidence: Evidence, batch: FailedBatch, place: str, sizes: list[tuple[int, ...]]
) -> Finding | None:
    """Return the finding about values with one row for each object; None if they are others.

    `place` is that of the values in a sample, `sizes` are their different shapes.
    """
    counted = _differ_in_count(sizes) and _has_images(batch)
    loader = loader_of(evidence, batch) if counted else None
    if loader is None:
        return None
    name = type(batch.dataset).__name__
    change = partial(edits.set_argument, loader.source, loader.call, "collate_fn", None, KEEPING)
    return Finding(
        kind="detection/collate_boxes",
        message=f"the samples of {name} have different numbers of objects, and the DataLoader has "
        "no collate_fn that keeps them in lists",
        evidence=f"shapes in one batch at {place}: {', '.join(map(str, map(list, sizes[:4])))}",
        cause=location_in(loader.source, loader.call),
        symptom=frame_location(evidence.frames[0]),
        subject=f"{name}{place}",
        cases=("detection/default_collate_of_boxes",),
        candidates=candidates((0, change)),
        confidence=10,
    )


def _differ_in_count(shapes: list[tuple[int, ...]]) -> bool:
    """Return whether values have different numbers of rows, such as the boxes of an image."""
    rows = all(0 < len(shape) <= 2 for shape in shapes)  # noqa: PLR2004  (objects, and their numbers)
    return rows and len({shape[1:] for shape in shapes}) == 1


def _has_images(batch: FailedBatch) -> bool:
    return any(len(shape_of(value) or ()) >= IMAGE for _, _, value in batch.leaves())


def loader_of(evidence: Evidence, batch: FailedBatch) -> Site | None:
    """Return where the loader of a dataset is constructed."""
    for loader in evidence.record.loaders:
        if loader.data is batch.dataset:
            return site_of(evidence, loader.places)
    return None
