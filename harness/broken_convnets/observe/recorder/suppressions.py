"""Find boxes that nms() removes because of a box of another class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.values import Value, Values

MOST = 2_000  # boxes of one call
CLASSES = 1_000
CLASS_COLUMN = 5  # after four numbers of a box and a score


@dataclass(frozen=True, slots=True)
class Suppression:
    """A call of nms(), and the labels of its boxes that its caller has.

    `lost` counts the boxes that it removes and that no better box of their own class overlaps.
    """

    places: tuple[Place, ...]
    name: str  # of the labels
    labels: Value
    count: int
    kept: int
    lost: int


def suppressions(
    frame: FrameType, caller: FrameType, values: Values, places: tuple[Place, ...]
) -> Iterator[Suppression]:
    """Yield what a call of nms() does to boxes of several classes, for each tensor of labels."""
    local = frame.f_locals
    boxes, scores, threshold = (local.get(n) for n in ("boxes", "scores", "iou_threshold"))
    if not isinstance(boxes, torch.Tensor) or not isinstance(scores, torch.Tensor):
        return
    if not 1 < len(boxes) <= MOST or not isinstance(threshold, float | int):
        return
    for name, value in list(caller.f_locals.items()):
        labels = _labels(value, len(boxes)) if isinstance(value, torch.Tensor) else None
        if labels is None:
            continue
        kept, own = _kept(boxes, scores, labels, float(threshold))
        yield Suppression(
            places, name, values.of(value), len(boxes), len(kept), len(set(own) - set(kept))
        )


def _labels(tensor: torch.Tensor, count: int) -> torch.Tensor | None:
    """Return the classes of boxes, a tensor or its last column; None if it has none."""
    if tensor.dim() == 0 or len(tensor) != count:
        return None
    if tensor.dim() == 2 and tensor.shape[1] > CLASS_COLUMN and tensor.is_floating_point():  # noqa: PLR2004  (rows of detections)
        tensor = tensor[:, -1]
    elif tensor.is_floating_point() or tensor.dtype is torch.bool:
        return None
    if tensor.dim() != 1 or not bool((tensor == tensor.round()).all()):
        return None
    several = 1 < len(torch.unique(tensor)) < count
    return tensor if several and 0 <= int(tensor.min()) <= int(tensor.max()) < CLASSES else None


def _kept(
    boxes: torch.Tensor, scores: torch.Tensor, labels: torch.Tensor, threshold: float
) -> tuple[list[int], list[int]]:
    """Return the boxes that stay, of all classes together and of each class by itself."""
    kept = torch.ops.torchvision.nms(boxes, scores, threshold).tolist()
    own: list[int] = []
    for label in torch.unique(labels):
        rows = torch.nonzero(labels == label).flatten()
        chosen = torch.ops.torchvision.nms(boxes[rows], scores[rows], threshold)
        own += rows[chosen].tolist()
    return kept, own
