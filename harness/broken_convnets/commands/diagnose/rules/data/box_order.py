"""A flip of boxes exchanges their corners, so that x1 stays smaller than x2."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.returns import callee
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.box_lines import Change, changes
from broken_convnets.commands.diagnose.rules.data.flip_lines import flip_line
from broken_convnets.commands.diagnose.rules.data.inverted_boxes import (
    Boxes,
    has_image,
    is_mirrored,
    windows,
)
from broken_convnets.commands.diagnose.rules.data.samples import Samples, below_subsets
from broken_convnets.commands.diagnose.sites import candidates, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.loaders import Loader

INDICES = 12  # samples that are read
SEEDS = 8  # reads of each
ENOUGH = 3  # samples that are read if none of them has inverted boxes
FEWEST = 6  # different boxes, so that their order is not by chance
MIRRORED = 2  # samples, at least, with boxes that are inverted in some reads
BOXES = re.compile(
    r"box|iou|xyxy|coco|voc|yolo|detect|anchor|x_?min|\bleft\b|object|\brect", re.IGNORECASE
)
NAMES = ("x1", "x2"), ("y1", "y2")


@dataclass(frozen=True)
class _Inverted:
    """Two reads of one sample: the boxes at one place of it are in order, then inverted."""

    index: int
    seeds: tuple[int, int]
    boxes: tuple[Boxes, Boxes]
    axis: int


@dataclass
class _Reads:
    """The boxes at one place of all samples, by sample and by seed."""

    boxes: dict[tuple[int, int], Boxes]

    def inverted(self) -> list[_Inverted]:
        """Return for each sample a pair of reads; none if boxes have both orders at one seed.

        Equal random numbers flip all samples or none, so that boxes then have the same order.
        """
        if any(one.is_mixed for one in self.boxes.values()):
            return []
        orders = {(seed, one.inverted) for (_, seed), one in self.boxes.items()}
        if len(orders) > len({seed for seed, _ in orders}):
            return []
        found = []
        for index in {index for index, _ in self.boxes}:
            pair = next(self._pairs(index), None)
            found += [] if pair is None else [pair]
        return found

    def _pairs(self, index: int) -> Iterator[_Inverted]:
        own = [(seed, one) for (number, seed), one in self.boxes.items() if number == index]
        for seed, first in own:
            for other, second in own:
                axis = is_mirrored(first, second)
                if axis is not None:
                    yield _Inverted(index, (seed, other), (first, second), axis)

    @property
    def different(self) -> int:
        """How many boxes there are in the first reads of all samples."""
        rows = [row for (_, seed), one in self.boxes.items() if not seed for row in one.rows]
        return len({tuple(row.tolist()) for row in rows})


@rule(
    "in all reads of a sample, the corners of its boxes have the same order",
    stays_quiet="unless all boxes of a read have x1 > x2, the sizes that they have in another read "
    "of the sample, and both corners moved; unless equal random numbers invert the boxes of all "
    "samples or of none; about centers and sizes, distances to the sides, "
    "samples without an image, programs without a word for boxes, as for arrows and lines, and "
    "datasets that cannot be copied",
)
def corners_not_exchanged(evidence: Evidence) -> Iterator[Finding]:
    """Find flips that turn boxes inside out."""
    require_success(evidence)
    for loader in {one.dataset.base: one for one in evidence.record.loaders}.values():
        samples = Samples.of(evidence, loader) if _may_have_boxes(evidence, loader) else None
        found = _inverted(samples, min(INDICES, loader.dataset.length or 0)) if samples else []
        if samples is None or not found:
            continue
        first = found[0]
        change = _change(samples, first)
        (low, high), (before, after) = NAMES[first.axis], first.boxes
        yield Finding(
            kind="detection/invalid_boxes",
            message=f"a flip leaves the boxes of {loader.type} with {low} > {high}",
            evidence=f"in one read of sample {first.index} its first box is {before.shown}, in "
            f"another one {after.shown}; so it is for {len(found)} samples: a flip must also "
            f"exchange {low} and {high}",
            cause=_cause(evidence, loader, change),
            subject=loader.type,
            candidates=_exchanged(evidence, change, first) if change else (),
            confidence=8,
        )
        return


def _may_have_boxes(evidence: Evidence, loader: Loader) -> bool:
    """Return whether the file of a dataset has a word for boxes, if the program defines it."""
    method = callee(evidence, getattr(below_subsets(loader.data), "__getitem__", None))
    return method is None or bool(BOXES.search(method.source.text))


def _inverted(samples: Samples, count: int) -> list[_Inverted]:
    """Return the samples whose boxes are inverted in some reads; none if that may be intended."""
    first = samples.read_leaves(0, 0) if count else ()
    if not has_image(first) or not any(windows(tensor) for tensor in first):
        return []
    reads: dict[tuple[int, int], _Reads] = {}
    for index in range(count):
        if index == ENOUGH and not any(one.inverted() for one in reads.values()):
            return []
        for seed in range(SEEDS):
            for place, tensor in enumerate(samples.read_leaves(index, seed)):
                for boxes in windows(tensor):
                    here = reads.setdefault((place, boxes.offset), _Reads({}))
                    here.boxes[index, seed] = boxes
    for one in reads.values():
        found = one.inverted() if one.different >= FEWEST else []
        if len(found) >= MIRRORED:
            return found
    return []


def _change(samples: Samples, found: _Inverted) -> Change | None:
    """Return the statement that inverts the boxes, which no read does that leaves the order."""
    before, after = (
        changes(partial(samples.read_leaves, found.index, seed), found.boxes[1].offset, found.axis)
        for seed in found.seeds
    )
    usual = {(one.file, one.line) for one in before}
    return next((one for one in after if (one.file, one.line) not in usual), None)


def _cause(evidence: Evidence, loader: Loader, change: Change | None) -> Location | None:
    """Return the line of the change, else that of the flip of the image."""
    source = evidence.source(change.file) if change else None
    if change is None or source is None:
        return flip_line(evidence, loader)
    return Location(change.file, change.assigned_in(source))


def _exchanged(evidence: Evidence, change: Change, found: _Inverted) -> tuple[Candidate, ...]:
    """Return the insertion of a statement that exchanges both columns."""
    source = evidence.source(change.file)
    statement = source.statement_at(change.line) if source else None
    name = change.target(source, statement) if source and statement else ""
    if source is None or statement is None or not name:
        return ()
    low = found.boxes[1].offset + found.axis
    new = f"{name}[..., [{low}, {low + 2}]] = {name}[..., [{low + 2}, {low}]]"
    return candidates((0, partial(edits.insert_after, source, statement, new)))
