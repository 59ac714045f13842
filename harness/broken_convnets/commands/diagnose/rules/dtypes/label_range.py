"""Class numbers lie between 0 and the number of classes minus 1."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    origin_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.user_frames import UNKNOWN
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import (
    Operand,
    failed_operator,
    is_computed,
)
from broken_convnets.commands.diagnose.rules.dtypes.data_sets import returned_columns
from broken_convnets.commands.diagnose.rules.dtypes.targets import CLASSES, at_origin, loss_call
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.origins import Origin
    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

Attempt = tuple[int, "Callable[[], Patch]"]


@rule(
    "class numbers lie between 0 and the number of classes minus 1",
    stays_quiet="if the targets cannot be read",
)
def class_out_of_range(evidence: Evidence) -> Iterator[Finding]:
    """Find labels that begin at 1, masks of 0 and 255, and heads with too few classes."""
    frame = require_failure(evidence, IndexError, RuntimeError)
    found = loss_call(evidence, CLASSES, failed_operator(evidence))
    target = found.operand(evidence, 1) if found else None
    if found is None or target is None or found.target.dtype is not torch.int64:
        return
    shape = found.scores.shape
    if len(shape) < 2 or found.target.shape != (shape[0], *shape[2:]):  # noqa: PLR2004  (samples, classes)
        return
    classes = shape[1]
    low, high = _range(frame, target)
    if low is None or high is None or (low >= 0 and high < classes):
        return
    what, text, rank = _remedy(low, high, classes, target.text)
    columns = list(returned_columns(evidence, -1)) if _is_loaded(target.origin) else []
    attempts: list[Attempt] = [
        (rank, partial(edits.replace, s, [(node, text.replace(target.text, _atom(s, node), 1))]))
        for s, node in columns
        if text
    ]
    attempts += at_origin(target, text, rank) if text else ()
    place = origin_location(target.origin) if is_computed(target.origin) else frame_location(frame)
    if len(columns) == 1:
        place = Location(columns[0][0].path, columns[0][1].lineno)
    yield Finding(
        rule="class_out_of_range",
        kind="loss/target_out_of_range",
        message=f"`{shortened(target.text)}` has class {high if high >= classes else low}, and the "
        f"network scores classes 0 to {classes - 1}",
        evidence=f"the labels go from {low} to {high}, the scores have {classes} columns: {what}",
        cause=place,
        symptom=frame_location(frame),
        subject=shortened(target.text),
        cases=("loss/mask_of_0_and_255" if high == 255 else "loss/labels_start_at_one",),  # noqa: PLR2004  (white)
        candidates=candidates(*attempts),
        confidence=10,
    )


def _is_loaded(origin: Origin) -> bool:
    """Return whether a value comes from a loop over a loader, perhaps moved to a device."""
    node = origin.node
    moved = isinstance(node, ast.Call) and called_name(node) in {"to", "cuda", "long"}
    return origin.looped or moved


def _atom(source: Source, node: ast.expr) -> str:
    simple = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
    return source.text_of(node) if simple else f"({source.text_of(node)})"


def _range(frame: UserFrame, target: Operand) -> tuple[int | None, int | None]:
    """Return the lowest and highest label; -100, which losses ignore, aside."""
    value = frame.value(target.node)
    if value is UNKNOWN or not isinstance(value, torch.Tensor) or not value.numel():
        return None, None
    kept = value[value != -100]  # noqa: PLR2004  (the default ignore_index)
    if not kept.numel() or value.device.type == "meta":
        return None, None
    return int(kept.min()), int(kept.max())


def _remedy(low: int, high: int, classes: int, text: str) -> tuple[str, str, int]:
    """Return what is wrong, the corrected expression of the labels, and its rank."""
    if low >= 1 and high <= classes:
        return "they begin at 1 instead of 0", f"{text} - 1", 0
    if low == 0 and high == 255 and classes == 2:  # noqa: PLR2004  (black and white, two classes)
        return "255 is the white of an image, not a class", f"({text} > 127).long()", 0
    if low < 0 <= high < classes:
        return "negative labels are ignored only with ignore_index", "", 1
    return f"the last layer needs at least {high + 1} outputs", "", 1
