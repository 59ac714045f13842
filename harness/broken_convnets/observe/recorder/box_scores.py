"""Read the scores by which nms() ranks boxes, and the other numbers that its caller has of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.recorder.places import user_frames

if TYPE_CHECKING:
    from types import FrameType

    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.values import Value, Values

MOST = 20_000  # boxes of one call
CLASSES = 1_000
FRAMES = 3  # of the user whose variables are looked at
SCORE, CLASS = 4, 5  # columns of a detection: four numbers of a box, the score and the class


@dataclass(frozen=True, slots=True)
class BoxScores:
    """The scores of a call, of which `numbers` are the different ones if all are whole numbers.

    `classes` has the same numbers, the groups of batched_nms() or a column of rows; empty if none.
    `other` has numbers from 0 to 1 for the same boxes that are not all whole, as scores are.
    """

    function: str
    places: tuple[Place, ...]
    scores: Value
    numbers: tuple[int, ...]
    count: int
    classes: str
    other: str


def box_scores(
    frame: FrameType, caller: FrameType, values: Values, places: tuple[Place, ...]
) -> BoxScores | None:
    """Return facts of the scores of a call; None if there are none, or too many."""
    scores = frame.f_locals.get("scores")
    if not isinstance(scores, torch.Tensor) or scores.dim() != 1 or not 0 < len(scores) <= MOST:
        return None
    numbers = torch.unique(scores.detach().double())
    whole = bool((numbers == numbers.round()).all()) and float(numbers[0]) >= 0
    if not whole or float(numbers[-1]) > CLASSES:
        numbers = numbers[:0]
    classes = other = ""
    for one in user_frames(caller, FRAMES):
        for name, value in list(one.f_locals.items()):
            classes = classes or _named(name, _class_column(value, scores))
            other = other or _named(name, _shares(value, len(scores)))
    groups = frame.f_locals.get("idxs")  # of batched_nms()
    classes = classes or _named("idxs", "" if _are_equal(groups, scores) else None)
    other = other or _named("idxs", _shares(groups, len(scores)))
    return BoxScores(
        frame.f_code.co_name,
        places,
        values.of(scores),
        tuple(int(one) for one in numbers.tolist()),
        len(scores),
        classes,
        other,
    )


def _named(name: str, column: str | None) -> str:
    return "" if column is None else f"{name}{column}"


def _class_column(value: Any, scores: torch.Tensor) -> str | None:
    """Return the column of the classes if these are the scores, in rows of detections."""
    is_table = isinstance(value, torch.Tensor) and value.dim() == 2  # noqa: PLR2004  (rows, columns)
    if not is_table or len(value) != len(scores) or value.shape[1] <= CLASS:
        return None
    is_it = _are_equal(value[:, CLASS], scores) and _are_shares(value[:, SCORE])
    return f"[:, {CLASS}]" if is_it else None


def _are_equal(value: Any, scores: torch.Tensor) -> bool:
    """Return whether a tensor has the numbers of the scores."""
    if not isinstance(value, torch.Tensor) or value.device != scores.device:
        return False
    same = value.shape == scores.shape
    return same and bool((value.double() == scores.double()).all())


def _shares(value: Any, count: int) -> str | None:
    """Return which column of a variable has a number from 0 to 1 for each box; None if none."""
    if not isinstance(value, torch.Tensor) or value.dim() == 0 or len(value) != count:
        return None
    if value.dim() == 2 and value.shape[1] > CLASS and _are_shares(value[:, SCORE]):  # noqa: PLR2004  (rows of detections)
        return f"[:, {SCORE}]"
    return "" if value.dim() == 1 and _are_shares(value) else None


def _are_shares(numbers: torch.Tensor) -> bool:
    if not numbers.is_floating_point():
        return False
    low, high = float(numbers.min()), float(numbers.max())
    return 0 <= low < high <= 1 and not bool((numbers == numbers.round()).all())
