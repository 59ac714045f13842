"""Functions of torchvision.ops receive boxes as two corners.

https://docs.pytorch.org/vision/stable/generated/torchvision.ops.box_iou.html: "Both sets of boxes
are expected to be in (x1, y1, x2, y2) format with 0 <= x1 < x2 and 0 <= y1 < y2".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.boxes import BoxCall

SUPPRESSION = frozenset({"nms", "batched_nms"})
FEWEST = 4  # boxes of a network that are judged
MANY = 4  # boxes of the data, one of which is inverted


@rule(
    "boxes that torchvision.ops receives are two corners, the upper left one first",
    stays_quiet="about boxes without area, if fewer than a quarter of them are inverted, and about "
    "boxes of a network unless nms receives them and most of them are inverted",
)
def boxes_not_two_corners(evidence: Evidence) -> Iterator[Finding]:
    """Find boxes whose second corner lies left of the first, as centers and sizes often do."""
    require_success(evidence)
    calls = list(evidence.record.box_calls)
    for call in calls:
        alike = [c for c in calls if c.places == call.places and c.argument == call.argument]
        if not call.inverted or not _is_sure(evidence, alike):
            continue
        box = ", ".join(f"{number:g}" for number in call.example)
        yield Finding(
            kind="detection/invalid_boxes",
            message=f"{call.function} receives boxes that are not [x1, y1, x2, y2]",
            evidence=f"{call.inverted} of {call.count} boxes in `{call.argument}` have x2 < x1 or "
            f"y2 < y1, such as [{box}]; a center and a size need box_convert first",
            cause=location(call.places),
            subject=call.places[0].text,
            cases=("detection/box_as_corner_and_size",),
            confidence=7,
        )
        return


def _is_sure(evidence: Evidence, alike: list[BoxCall]) -> bool:
    """Return whether so many boxes of the data, or of a network, are inverted."""
    inverted, count = sum(call.inverted for call in alike), sum(call.count for call in alike)
    if not evidence.flow.depends_on_network(alike[0].value):
        return MANY * inverted >= count  # fewer are boxes that noise was added to
    mostly = all(2 * call.inverted > call.count >= FEWEST for call in alike)
    return mostly and alike[0].function in SUPPRESSION
