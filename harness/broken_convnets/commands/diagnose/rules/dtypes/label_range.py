"""Class numbers lie between 0 and the number of classes minus 1."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.moves import computed_by_operator
from broken_convnets.commands.diagnose.analysis.user_frames import UNKNOWN
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import (
    Operand,
    failed_operator,
)
from broken_convnets.commands.diagnose.rules.dtypes.data_sets import (
    is_loaded,
    returned_columns,
)
from broken_convnets.commands.diagnose.rules.dtypes.loss_calls import CLASSES, loss_call
from broken_convnets.commands.diagnose.rules.dtypes.targets import at_origin, target_place
from broken_convnets.commands.diagnose.rules.dtypes.void_labels import has_void
from broken_convnets.commands.diagnose.sites import calls_named, candidates, location_in
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.values import Value

Attempt = tuple[int, "Callable[[], Patch]"]
SUMS = {"add", "__add__", "__radd__"}


@rule(
    "class indices lie between 0 and the number of classes minus 1",
    stays_quiet="if the targets cannot be read",
)
def class_out_of_range(evidence: Evidence) -> Iterator[Finding]:
    """Find labels that begin at 1, masks of 0 and 255, and heads with too few classes."""
    frame = require_failure(evidence, IndexError, RuntimeError)
    found = loss_call(evidence, CLASSES, failed_operator(evidence))
    target = found.operand(evidence, 1) if found else None
    if found is None or target is None or found.target.dtype is not torch.int64:
        return
    if has_void(found):  # which has a rule of its own
        return
    shape = found.scores.shape
    if len(shape) < 2 or found.target.shape != (shape[0], *shape[2:]):  # noqa: PLR2004  (samples, classes)
        return
    classes = shape[1]
    low, high = _range(frame, target)
    if low is None or high is None or (low >= 0 and high < classes):
        return
    what, text, rank = _remedy(low, high, classes, target.text)
    columns = list(returned_columns(evidence, -1)) if is_loaded(target.origin) else []
    attempts: list[Attempt] = [
        (rank, partial(edits.replace, s, [(node, text.replace(target.text, _atom(s, node), 1))]))
        for s, node in columns
        if text
    ]
    attempts += at_origin(target, text, rank) if text else ()
    added = _addition(evidence, found.target) if low >= 1 and high == classes else None
    if added is not None:
        source, node = added
        attempts.insert(0, (0, partial(edits.replace, source, [(node, _counted(source, node))])))
    elif low >= 1 and high == classes:
        attempts = [*_enumerated(evidence), *((rank + 1, change) for rank, change in attempts)]
    yield Finding(
        kind="loss/target_out_of_range",
        message=f"`{shortened(target.text)}` has class {high if high >= classes else low}, and the "
        f"network scores classes 0 to {classes - 1}",
        evidence=f"the labels go from {low} to {high}, the scores have {classes} columns: {what}",
        cause=location_in(*added) if added else target_place(evidence, target, frame),
        symptom=frame_location(frame),
        subject=shortened(target.text),
        cases=("loss/mask_of_0_and_255" if high == 255 else "loss/labels_start_at_one",),  # noqa: PLR2004  (white)
        candidates=candidates(*attempts),
        confidence=10,
    )


def _addition(evidence: Evidence, labels: Value) -> tuple[Source, ast.BinOp] | None:
    """Return the sum that counts the labels from 1, such as `torch.arange(9) % 3 + 1`."""
    operator = computed_by_operator(evidence, labels)
    if operator is None or operator.name not in SUMS or 1 not in operator.literals.values():
        return None
    source = evidence.source(operator.places[0].file) if operator.places else None
    node = source.expression_at(operator.places[0]) if source else None
    plus = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)
    return (source, node) if source and isinstance(node, ast.BinOp) and plus else None


def _counted(source: Source, node: ast.BinOp) -> str:
    """Return the sum without its 1."""
    first = isinstance(node.left, ast.Constant)
    return source.text_of(node.right if first else node.left)


def _enumerated(evidence: Evidence) -> Iterator[Attempt]:
    """Yield the change of each `enumerate(names, start=1)` in a comprehension to count from 0."""
    for source, call in calls_named(evidence, "enumerate"):
        start = argument(call, "start", 1)
        numbered = isinstance(source.parent(call), ast.comprehension)
        if numbered and isinstance(start, ast.Constant) and start.value == 1:
            text = f"enumerate({source.text_of(call.args[0])})"
            yield 0, partial(edits.replace, source, [(call, text)])


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
