"""A loss receives the scores first and the targets second."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import failed_operator
from broken_convnets.commands.diagnose.rules.dtypes.loss_calls import (
    CLASSES,
    are_exchanged,
    loss_call,
)
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.dtypes.loss_calls import LossCall
    from broken_convnets.observe.recorder.values import Value

TARGETS = ("target", "label", "truth", "true", "y", "gt", "mask")  # begin names of targets


@rule(
    "a loss receives the scores first and the targets second",
    stays_quiet="unless the first are class indices of the shape that fits the second",
)
def arguments_exchanged(evidence: Evidence) -> Iterator[Finding]:
    """Find `criterion(labels, scores)`."""
    frame = require_failure(evidence, RuntimeError, NotImplementedError, IndexError)
    found = loss_call(evidence, CLASSES, failed_operator(evidence))
    if found is None or found.nodes is None or not are_exchanged(found):
        return
    caller, first, second = _call(evidence, found, found.nodes)
    texts = [caller.source.text_of(node) for node in (first, second)]
    swapped = [(first, texts[1]), (second, texts[0])]
    yield Finding(
        kind="loss/target_shape",
        message=f"`{shortened(texts[0])}` are class indices and `{shortened(texts[1])}` are "
        "scores: the arguments of the loss are exchanged",
        evidence=f"the first is {found.scores}, the second is {found.target}; "
        f"{found.operator.name} expects the scores first",
        cause=frame_location(caller),
        symptom=frame_location(frame),
        subject=shortened(texts[0]),
        candidates=candidates((0, partial(edits.replace, caller.source, swapped))),
        confidence=11,
    )


def _call(
    evidence: Evidence, found: LossCall, nodes: tuple[ast.expr, ast.expr]
) -> tuple[UserFrame, ast.expr, ast.expr]:
    """Return the call that exchanges them: that of a loss of the program, if it passes them on.

    A function whose first parameter is named like targets passes them on in the wrong order itself.
    """
    chosen = (found.frame, *nodes)
    for inner, outer in zip(
        evidence.frames[found.index :], evidence.frames[found.index + 1 :], strict=False
    ):
        both = _passed(outer, found.scores, found.target)
        function = inner.function
        if both is None or function is None:
            break
        names = [a.arg for a in function.args.args if a.arg != "self"]
        if not names or names[0].lower().startswith(TARGETS):
            break
        chosen = (outer, *both)
    return chosen


def _passed(frame: UserFrame, scores: Value, target: Value) -> tuple[ast.expr, ast.expr] | None:
    """Return the first two arguments of a frame's call, if they are both tensors of a loss."""
    arguments = frame.call.args if frame.call else []
    if len(arguments) < 2:  # noqa: PLR2004  (scores and target)
        return None
    wanted = zip(arguments[:2], (scores, target), strict=True)
    fits = [_may_be(frame.value(node), value) for node, value in wanted]
    return (arguments[0], arguments[1]) if all(fits) else None


def _may_be(tensor: object, value: Value) -> bool:
    """Return whether an argument is a tensor of the recorded shape and dtype, or is computed."""
    if not isinstance(tensor, torch.Tensor):
        return type(tensor).__name__ == "Unknown"
    return tuple(tensor.shape) == value.shape and tensor.dtype is value.dtype
