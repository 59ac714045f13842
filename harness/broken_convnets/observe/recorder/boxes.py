"""Record the boxes that functions of torchvision.ops receive, which expect [x1, y1, x2, y2]."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction
from broken_convnets.observe.recorder.box_scores import box_scores
from broken_convnets.observe.recorder.places import TORCH, is_user_file, user_places
from broken_convnets.observe.recorder.suppressions import suppressions

if TYPE_CHECKING:
    from types import FrameType

    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.values import Value, Values

OPS = "/torchvision/ops/"
ARGUMENTS = ("boxes", "boxes1", "boxes2")
FUNCTIONS = frozenset(
    {"box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou", "nms"}
    | {"batched_nms", "generalized_box_iou_loss", "distance_box_iou_loss"}
    | {"complete_box_iou_loss", "clip_boxes_to_image"}
)
CALLS = 32  # that are read at one place
CORNERS = 4  # numbers of a box


@dataclass(frozen=True, slots=True)
class BoxCall:
    """Boxes in a call of a function; `inverted` have a second corner above or left of the first."""

    function: str
    argument: str
    places: tuple[Place, ...]
    value: Value
    count: int
    inverted: int
    example: tuple[float, ...]  # the first of these, else of all


class BoxCalls:
    """Looks at the arguments of a function of torchvision when its first operator runs."""

    def __init__(self, record: Record, values: Values) -> None:
        """Start with no call known."""
        self._record = record
        self._values = values
        self._calls: Counter[Place] = Counter()
        self._last: tuple[int, ...] = ()  # identities of a frame and its boxes

    def look(self, frame: FrameType | None) -> None:
        """Look at the call of torchvision that an operator runs in, if the program made it."""
        frame = _outside_torch(frame)  # `torch.ops.torchvision.nms`
        if frame is None or OPS not in frame.f_code.co_filename:
            return
        outer = _outside_torch(frame.f_back)  # `torch.jit` wraps a part of batched_nms()
        while outer is not None and OPS in outer.f_code.co_filename:
            frame, outer = outer, _outside_torch(outer.f_back)
        caller = frame.f_back
        if frame.f_code.co_name not in FUNCTIONS or caller is None:
            return
        if is_user_file(caller.f_code.co_filename):
            try:
                with NoDispatch(), NoFunction():
                    self._add(frame, caller)
            except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
                self._record.problem(error)

    def _add(self, frame: FrameType, caller: FrameType) -> None:
        local = frame.f_locals
        given = [(name, local[name]) for name in ARGUMENTS if name in local]
        key = (id(frame), *(id(boxes) for _, boxes in given))
        if key == self._last:
            return
        self._last = key
        places = user_places(caller)
        self._calls[places[0]] += 1
        if self._calls[places[0]] > CALLS:
            return
        if frame.f_code.co_name == "nms":
            found = suppressions(frame, caller, self._values, places)
            self._record.content_facts.suppressions.extend(found)
        scores = box_scores(frame, caller, self._values, places)
        if scores is not None:
            self._record.content_facts.box_scores.append(scores)
        for name, boxes in given:
            if isinstance(boxes, torch.Tensor) and boxes.ndim and boxes.shape[-1] == CORNERS:
                self._record.box_calls.append(self._call(frame.f_code.co_name, name, boxes, places))

    def _call(
        self, function: str, name: str, boxes: torch.Tensor, places: tuple[Place, ...]
    ) -> BoxCall:
        rows = boxes.detach().reshape(-1, CORNERS)
        inverted = (rows[:, 2:] < rows[:, :2]).any(1)
        shown = rows[inverted][:1] if bool(inverted.any()) else rows[:1]
        return BoxCall(
            function,
            name,
            places,
            self._values.of(boxes),
            len(rows),
            int(inverted.sum()),
            tuple(round(number, 4) for number in shown.flatten().tolist()),
        )


def _outside_torch(frame: FrameType | None) -> FrameType | None:
    """Return the innermost frame from this one on that is not of torch."""
    while frame is not None and frame.f_code.co_filename.startswith(f"{TORCH}/"):
        frame = frame.f_back
    return frame
