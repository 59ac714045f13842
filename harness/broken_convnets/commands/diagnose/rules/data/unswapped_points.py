"""A flip from left to right exchanges the points of both sides: a left eye becomes a right one."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.findings import Finding, Location, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.flip_lines import flip_line
from broken_convnets.commands.diagnose.rules.data.inverted_boxes import COLORS, SIDE
from broken_convnets.commands.diagnose.rules.data.orientations import orientations_of_image
from broken_convnets.commands.diagnose.rules.data.samples import Samples, below_subsets
from broken_convnets.commands.diagnose.sites import require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.loaders import Loader

INDICES = 4  # samples that are read
SEEDS = 8  # reads of each
FEWEST = 2  # samples that are flipped in a read
POINTS = range(3, 200)
SIDEWAYS = {(True, 0)}
NEAR = 0.02  # of the width of an image
LIKE = 0.12  # of the size of the points, by which a mirrored point may be off
SIDES = re.compile(r"\b(?:left[_ ]?|l_)(\w{2,})")


@rule(
    "a flip from left to right exchanges the points of the left and the right side",
    stays_quiet="unless each flip of an image mirrors its points and keeps their order, and "
    "strings of the file name left and right points; about sets of points; a warning if only their "
    "places are symmetric",
)
def points_not_exchanged(evidence: Evidence) -> Iterator[Finding]:
    """Find flips after which the point of the left eye is on the right one."""
    require_success(evidence)
    for loader in {one.dataset.base: one for one in evidence.record.loaders}.values():
        samples = Samples.of(evidence, loader)
        found = _mirrored(samples, min(INDICES, loader.dataset.length or 0)) if samples else []
        if len(found) < FEWEST or _have_no_order(evidence, len(found[0][0])):
            continue
        named, pairs = _named_sides(evidence, loader), _partners(found)
        if not named and not pairs:
            continue
        count = len(found[0][0])
        shown = ", ".join(f"{i} and {j}" for i, j in pairs[:3])
        which = f"; points {shown} are on both sides" if pairs else ""
        yield Finding(
            kind="data/image_and_mask_transformed_apart",
            message=f"{loader.type} flips its points and keeps their order: left and right points "
            "are not exchanged",
            evidence=f"in {len(found)} pairs of reads of one sample, each of the {count} points "
            f"is mirrored, and stays at its place in the list{which}"
            + (f"; the file names left and right ones, as `{named}`" if named else ""),
            severity=Severity.ERROR if named else Severity.WARNING,
            cause=_line(evidence, loader),
            subject=loader.type,
            confidence=6,
        )
        return


def _have_no_order(evidence: Evidence, count: int) -> bool:
    """Return whether the program measures all distances between as many points: a set has none."""
    return any(
        one.name == "cdist" and any(v.shape[-2:] == (count, 2) for v in one.inputs)
        for one in evidence.record.operators
    )


def _mirrored(samples: Samples, count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return the points before and after flips; none if one flip does not mirror them in order."""
    found = []
    for index in range(count):
        before = _image_and_points(samples.read_leaves(index, 0))
        for seed in range(1, SEEDS) if before else ():
            after = _image_and_points(samples.read_leaves(index, seed))
            if before is None or after is None or before[1].shape != after[1].shape:
                return []
            if orientations_of_image(before[0], after[0]) != SIDEWAYS:
                continue
            if not _in_order(before[1], after[1]):
                return []
            found.append((before[1], after[1]))
            break
    return found


def _image_and_points(
    tensors: tuple[torch.Tensor, ...],
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return the gray image of a sample, and the only tensor of points, of shape (points, 2)."""
    images, points = [], []
    for tensor in tensors:
        shape = tuple(tensor.shape)
        if len(shape) == 3 and min(shape[0], shape[-1]) <= COLORS and max(shape) >= SIDE:  # noqa: PLR2004  (an image)
            images.append(tensor.double().mean(0 if shape[0] <= COLORS else -1))
        elif tensor.is_floating_point() or tensor.numel() > 1:
            rows = tensor.double()
            if rows.ndim == 1 and len(rows) % 2 == 0:
                rows = rows.reshape(-1, 2)
            if rows.ndim == 2 and rows.shape[1] in {2, 3} and len(rows) in POINTS:  # noqa: PLR2004  (x, y, visible)
                points.append(rows[:, :2])
    return (images[0], points[0]) if len(images) == len(points) == 1 else None


def _in_order(before: torch.Tensor, after: torch.Tensor) -> bool:
    """Return whether all x are mirrored, each at its own place, and all y are the same."""
    width = float(torch.cat([before[:, 0], after[:, 0]]).abs().max())
    sums = before[:, 0] + after[:, 0]
    mirrored = float(sums.max() - sums.min()) < NEAR * max(width, 1e-9)
    spread = float(before[:, 0].max() - before[:, 0].min()) > 4 * NEAR * width
    return mirrored and spread and bool(torch.isclose(before[:, 1], after[:, 1]).all())


def _partners(found: list[tuple[torch.Tensor, torch.Tensor]]) -> list[tuple[int, int]]:
    """Return the pairs of points that a flip of each sample's shape exchanges; none if unsure."""
    common: list[int] | None = None
    for before, _ in found:
        x, y = before.unbind(1)
        mirrored = torch.stack([x.max() + x.min() - x, y], 1)
        distances = torch.cdist(mirrored, before)
        nearest = distances.argmin(1)
        size = float((before.max(0).values - before.min(0).values).max())
        back = torch.equal(nearest[nearest], torch.arange(len(nearest)))
        if not back or float(distances.min(1).values.max()) > LIKE * size:
            return []
        if common is not None and common != nearest.tolist():
            return []
        common = nearest.tolist()
    return [(i, j) for i, j in enumerate(common or []) if i < j]


def _named_sides(evidence: Evidence, loader: Loader) -> str:
    """Return the name of a left part whose right one the file names too; empty if there is none."""
    code = getattr(getattr(type(below_subsets(loader.data)), "__getitem__", None), "__code__", None)
    source = evidence.source(code.co_filename) if code else None
    text = "\n".join(_strings(source)).lower() if source else ""
    for found in SIDES.finditer(text):
        if re.search(rf"\b(?:right[_ ]?|r_){re.escape(found[1])}\b", text):
            return found[0]
    return ""


def _strings(source: Source) -> Iterator[str]:
    """Yield the strings of a file that are no documentation: a variable may be a margin."""
    for node in source.expressions:
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and not isinstance(source.parent(node), ast.Expr):
            yield source.text_of(node)


def _line(evidence: Evidence, loader: Loader) -> Location | None:
    """Return the line near the flip of the image that subtracts the points from the width."""
    flip = flip_line(evidence, loader)
    source = evidence.source(flip.file) if flip else None
    statement = source.statement_at(flip.line) if flip and source else None
    if flip is None or source is None or statement is None:
        return flip
    for node in (node for one in source.block_of(statement) for node in ast.walk(one)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            return Location(flip.file, node.lineno)
    return flip
