"""Boxes lie inside of their image: a resize of the image scales its boxes, too."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.inverted_boxes import COLORS, SIDE
from broken_convnets.commands.diagnose.rules.data.point_geometry import speaks_of_points
from broken_convnets.commands.diagnose.rules.data.samples import Samples, below_subsets
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name
from broken_convnets.commands.diagnose.sites import require_success
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.loaders import Loader

NUMBERS = 4  # of a box
SAMPLES = 16  # that are read
FEWEST = 2  # boxes that lie outside as a whole
RESIZES = frozenset({"resize", "interpolate", "Resize", "thumbnail", "resized_crop"})


@rule(
    "boxes lie inside of their image",
    stays_quiet="unless all samples have an image and boxes in pixels with x1 < x2 and y1 < y2, "
    "several boxes begin right of their image or below it, and the dataset mentions a resize; if a "
    "sample has the size of the original image, too, or the program scales the boxes later",
)
def boxes_outside_of_image(evidence: Evidence) -> Iterator[Finding]:
    """Find images that are resized while their boxes keep the coordinates of the original."""
    require_success(evidence)
    for loader in {one.dataset.base: one for one in evidence.record.loaders}.values():
        samples = Samples.of(evidence, loader)
        count = min(SAMPLES, loader.dataset.length or 0)
        named = speaks_of_points(evidence, loader)
        found = _outside(samples, count, named=named) if samples else None
        place = _resize(evidence, loader) if found else None
        if found is None or place is None:
            continue
        outside, total, box, size = found
        if _are_scaled_later(evidence, loader, max(box)):
            continue
        shown = ", ".join(f"{number:.4g}" for number in box)
        yield Finding(
            kind="detection/invalid_boxes",
            message=f"{loader.type} resizes its images, and leaves its boxes as they are",
            evidence=f"{outside} of {total} boxes lie outside of their image as a whole, such as "
            f"[{shown}] for an image of {size[1]} x {size[0]} pixels (width x height)",
            cause=place,
            subject=loader.type,
            confidence=7,
        )
        return


def _outside(
    samples: Samples, count: int, *, named: bool
) -> tuple[int, int, list[float], tuple[int, int]] | None:
    """Return how many boxes lie outside, of how many, one of them, and the size of its image."""
    outside = total = 0
    example: tuple[list[float], tuple[int, int]] | None = None
    for index in range(count):
        pair = _image_and_boxes(samples.read_leaves(index, 0), named=named)
        if pair is None:
            return None
        (height, width), boxes = pair
        beyond = (boxes[:, 0] > width) | (boxes[:, 1] > height)
        total += len(boxes)
        outside += int(beyond.sum())
        if bool(beyond.any()):
            example = example or (boxes[beyond][0].tolist(), (height, width))
    return (outside, total, *example) if example and outside >= FEWEST else None


def _image_and_boxes(
    tensors: tuple[torch.Tensor, ...],
    *,
    named: bool,
) -> tuple[tuple[int, int], torch.Tensor] | None:
    """Return the size of the only image of a sample, and its boxes in pixels; else None."""
    sizes: list[tuple[int, int]] = []
    boxes: list[torch.Tensor] = []
    largest = 0.0  # of pairs of numbers, which may be the size of the original image
    for tensor in tensors:
        if tensor.ndim == 3 and max(tensor.shape) >= SIDE:  # noqa: PLR2004  (an image)
            if tensor.shape[0] <= COLORS:
                sizes.append((tensor.shape[1], tensor.shape[2]))
            elif tensor.shape[-1] <= COLORS:
                sizes.append((tensor.shape[0], tensor.shape[1]))
        elif tensor.ndim in {1, 2} and tensor.shape[-1:] == (NUMBERS,) and tensor.numel():
            boxes.append(tensor.double())
        elif tensor.shape == (2,):
            largest = float(tensor.max())
    if len(sizes) != 1 or len(boxes) != 1:
        return None
    if boxes[0].ndim == 1 and not named:
        return None
    boxes[0] = boxes[0].reshape(-1, NUMBERS)
    ordered = bool((boxes[0][:, 2:] > boxes[0][:, :2]).all()) and bool((boxes[0] >= 0).all())
    outside = max(2.0, largest)  # below it they are shares, or boxes of the original image
    return (sizes[0], boxes[0]) if ordered and float(boxes[0].max()) > outside else None


def _are_scaled_later(evidence: Evidence, loader: Loader, largest: float) -> bool:
    """Return whether the boxes of a batch become shares of the image, or are scaled by tensors."""
    batches = (batch for epoch in loader.epochs for batch in epoch.values)
    boxes = [value for batch in batches for value in batch if value.shape[-1:] == (NUMBERS,)]
    known = evidence.flow.descendants(boxes)
    for operator in evidence.record.operators:
        name, number = plain_name(operator), number_in(operator)
        if name not in {"mul", "div"} or known.isdisjoint(operator.outputs):
            continue
        if operator.outputs[0].shape[-1:] not in {(NUMBERS,), (NUMBERS // 2,)}:
            continue
        factor = number if name == "div" or not number else 1 / number
        if factor is None or factor >= largest:
            return True
    return False


def _resize(evidence: Evidence, loader: Loader) -> Location | None:
    """Return the line of the class of the dataset that resizes, else one that its file has."""
    kind = type(below_subsets(loader.data))
    code = getattr(getattr(kind, "__getitem__", None), "__code__", None)
    source = evidence.source(code.co_filename) if code else None
    owner = source.class_named(kind.__name__) if source else None
    for scope in (owner, source.tree if source else None):
        lines = list(_lines(scope)) if scope else []
        if lines and source:
            return Location(source.path, lines[0])
    return None


def _lines(scope: ast.AST) -> Iterator[int]:
    for node in ast.walk(scope):
        if isinstance(node, ast.Call) and called_name(node) in RESIZES:
            yield node.lineno
