"""Targets have the dtype and the values that the loss function expects."""

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
from broken_convnets.commands.diagnose.analysis.moves import computed_by_operator
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import (
    Operand,
    failed_operator,
    is_computed,
    name_of,
)
from broken_convnets.commands.diagnose.rules.dtypes.data_sets import loaded_place
from broken_convnets.commands.diagnose.rules.dtypes.loss_calls import (
    CLASSES,
    are_exchanged,
    loss_call,
)
from broken_convnets.commands.diagnose.sites import Site, candidates, location_in, site_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.values import Value

Attempt = tuple[int, "Callable[[], Patch]"]
BINARY = {"binary_cross_entropy", "binary_cross_entropy_with_logits"}
CONVERSIONS = {"float", "double", "half", "bfloat16", "int", "short", "byte", "to", "type"}
REGRESSION = {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"}


def target_place(evidence: Evidence, target: Operand | None, frame: UserFrame) -> Location:
    """Return where the targets are computed, by a dataset or the program, else the loss."""
    if target is None:
        return frame_location(frame)
    loaded = loaded_place(evidence, target.origin, -1)
    computed = origin_location(target.origin) if is_computed(target.origin) else None
    return loaded or computed or frame_location(frame)


@rule(
    "class indices are int64",
    stays_quiet="about class probabilities",
)
def class_labels_dtype(evidence: Evidence) -> Iterator[Finding]:
    """Find class indices that are floats, bytes or 32-bit integers."""
    frame = require_failure(evidence, RuntimeError, NotImplementedError)
    found = loss_call(evidence, CLASSES, failed_operator(evidence))
    if found is None or found.target.dtype is torch.int64:
        return
    if found.target.shape == found.scores.shape or are_exchanged(found):
        return
    target = found.operand(evidence, 1)
    text = shortened(target.text) if target else "the target"
    converted = _conversion(evidence, found.target)
    yield Finding(
        kind="dtype/label_not_long",
        message=f"`{text}` is {name_of(found.target.dtype)}; class indices must be int64",
        evidence=f"the scores are {list(found.scores.shape)} and the targets "
        f"{found.target}: {found.operator.name} reads them as class indices",
        cause=location_in(converted.source, converted.call)
        if converted
        else target_place(evidence, target, frame),
        symptom=frame_location(frame),
        subject=text,
        cases=("dtype/float_class_labels",),
        candidates=candidates(
            *(_unconverted(converted) if converted else ()),
            *(_as_long(target) if target else ()),
        ),
        confidence=10,
    )


def _conversion(evidence: Evidence, target: Value) -> Site | None:
    """Return the call that made other numbers of the int64 class indices, such as `float()`."""
    operator = computed_by_operator(evidence, target)
    if operator is None or operator.name not in CONVERSIONS or not operator.inputs:
        return None
    whole = operator.inputs[0].dtype is torch.int64
    return site_of(evidence, operator.places) if whole else None


def _unconverted(site: Site) -> Iterator[Attempt]:
    if isinstance(site.call.func, ast.Attribute) and not site.call.keywords:
        yield 0, partial(edits.replace, site.source, [(site.call, site.receiver)])


def _as_long(target: Operand) -> Iterator[Attempt]:
    """Yield the change at the origin, `torch.tensor` or no `.float()`, then at the loss."""
    source, node = target.origin.source, target.origin.node
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        name, owner = node.func.attr, source.text_of(node.func.value)
        if name in {"Tensor", "FloatTensor"}:
            yield 0, partial(edits.replace, source, [(node.func, f"{owner}.tensor")])
        if name in {"float", "double"} and not node.args:
            yield 0, partial(edits.replace, source, [(node, owner)])
    text = f"{target.text}.long()"
    yield 1, partial(edits.replace, target.frame.source, [(target.node, text)])


def at_origin(target: Operand, text: str, rank: int) -> Iterator[Attempt]:
    """Yield the correction where the labels are computed, then where the loss uses them."""
    origin = target.origin
    own = origin.source.text_of(origin.node)
    if is_computed(origin):
        simple = isinstance(origin.node, ast.Call | ast.Subscript)
        own = own if simple or text.startswith(f"{target.text} ") else f"({own})"
        new = text.replace(target.text, own, 1)
        yield rank, partial(edits.replace, origin.source, [(origin.node, new)])
    yield rank + 1, partial(edits.replace, target.frame.source, [(target.node, text)])


@rule(
    "cross-entropy receives class indices, one for each sample",
    stays_quiet="about targets of other shapes",
)
def labels_not_class_numbers(evidence: Evidence) -> Iterator[Finding]:
    """Find integer one-hot labels, and labels with a second dimension."""
    frame = require_failure(evidence, RuntimeError)
    found = loss_call(evidence, CLASSES, failed_operator(evidence))
    target = found.operand(evidence, 1) if found else None
    if found is None or target is None or found.target.dtype is not torch.int64:
        return
    shape, scores = found.target.shape, found.scores.shape
    column = len(shape) == 2 and shape[1] == 1 and len(scores) == 2 and scores[1] > 1  # noqa: PLR2004  (a column)
    one_hot = shape == scores and len(shape) == 2 and shape[1] > 1  # noqa: PLR2004  (one-hot)
    if not column and not one_hot:
        return
    how = "one number in a second dimension" if column else "one-hot rows of integers"
    yield Finding(
        kind="loss/one_hot_target",
        message=f"`{shortened(target.text)}` has shape {list(shape)}: {how}, not class indices",
        evidence=f"for scores of shape {list(scores)}, cross-entropy expects {[shape[0]]}",
        cause=target_place(evidence, target, frame),
        symptom=frame_location(frame),
        subject=shortened(target.text),
        cases=("loss/labels_with_extra_dimension" if column else "loss/integer_one_hot_labels",),
        candidates=candidates(*_class_numbers(target, column=column)),
        confidence=10,
    )


def _class_numbers(target: Operand, *, column: bool) -> Iterator[Attempt]:
    source, node = target.origin.source, target.origin.node
    encoded = isinstance(node, ast.Call) and source.text_of(node.func).endswith("one_hot")
    if not column and encoded and isinstance(node, ast.Call) and node.args:
        new = source.text_of(node.args[0])
        yield 0, partial(edits.replace, source, [(node, new)])
    method = "squeeze(1)" if column else "argmax(dim=1)"
    yield from at_origin(target, f"{target.text}.{method}", 0)


@rule(
    "scores, not classes, are passed to a loss",
    stays_quiet="about floating-point scores",
)
def classes_passed_as_scores(evidence: Evidence) -> Iterator[Finding]:
    """Find argmax in front of a loss, whose result has no gradient and no score per class."""
    frame = require_failure(evidence, RuntimeError, NotImplementedError)
    found = loss_call(evidence, CLASSES | BINARY | REGRESSION, failed_operator(evidence))
    scores = found.operand(evidence, 0) if found else None
    if found is None or scores is None or found.scores.dtype.is_floating_point:
        return
    if are_exchanged(found):
        return
    source, node = scores.origin.source, scores.origin.node
    is_argmax = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    text = shortened(source.text_of(node))
    new = source.text_of(node.func.value) if is_argmax else ""  # type: ignore[attr-defined]  # an Attribute, as above
    function = is_argmax and new == "torch"
    yield Finding(
        kind="loss/target_shape_equals_input",
        message=f"`{shortened(scores.text)}` are classes ({found.scores}), not scores",
        evidence=f"`{text}` chooses a class; the loss needs a score for each class",
        cause=origin_location(scores.origin),
        symptom=frame_location(frame),
        subject=text,
        cases=("loss/argmax_passed_to_loss",),
        candidates=candidates((0, partial(edits.replace, source, [(node, new)])))
        if is_argmax and not function
        else (),
        confidence=10,
    )
