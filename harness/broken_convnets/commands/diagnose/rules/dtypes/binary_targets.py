"""Binary and regression losses receive floats, and probabilities between 0 and 1."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import (
    METHODS,
    Operand,
    failed_operator,
    is_computed,
    name_of,
)
from broken_convnets.commands.diagnose.rules.dtypes.loss_calls import CLASSES, LossCall, loss_call
from broken_convnets.commands.diagnose.rules.dtypes.targets import BINARY, REGRESSION, target_place
from broken_convnets.commands.diagnose.rules.loss.swapped_arguments import is_swapped
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence

Attempt = tuple[int, "Callable[[], Patch]"]


def _loss(evidence: Evidence, names: set[str]) -> LossCall | None:
    """Return the loss that failed, or the one whose backward pass failed."""
    found = loss_call(evidence, names, failed_operator(evidence))
    failed = evidence.record.backward_passes.latest
    if found is not None or failed is None or not failed.raised:
        return found
    waiting = list(failed.roots)
    for _ in range(8):
        made = [p for p in map(evidence.record.producer, waiting) if p is not None]
        for operator in made:
            if operator.name in names and len(operator.inputs) > 1:
                return _of_record(evidence, operator.number)
        waiting = [value for operator in made for value in operator.inputs]
    return None


def _of_record(evidence: Evidence, number: int) -> LossCall | None:
    """Return a loss that has returned, with the call at its place in a frame's function."""
    operator = evidence.record.operators.find(number)
    for index, frame in enumerate(evidence.frames):
        for place in operator.places if operator else ():
            same = place.file == frame.source.path and place.function == frame.code.co_name
            call = frame.source.call_at(place) if same else None
            if operator is None or call is None or len(call.args) < 2:  # noqa: PLR2004  (scores and target)
                continue
            nodes = call.args[0], call.args[1]
            scores, target = operator.inputs[:2]
            return LossCall(operator, scores, target, frame, index, nodes)
    return None


@rule(
    "targets of binary and regression losses have the dtype of the outputs",
    stays_quiet="if both have one dtype",
)
def float_targets(evidence: Evidence) -> Iterator[Finding]:
    """Find integer and double targets of losses that compare floats."""
    frame = require_failure(evidence, RuntimeError, NotImplementedError)
    found = _loss(evidence, BINARY | REGRESSION)
    target = found.operand(evidence, 1) if found else None
    if found is None or target is None or found.target.dtype is found.scores.dtype:
        return
    if not found.scores.dtype.is_floating_point or not _is_about_dtype(evidence):
        return
    method = METHODS.get(found.scores.dtype, "float")
    double = found.target.dtype is torch.float64
    yield Finding(
        kind="dtype/input_dtype" if double else "dtype/label_not_long",
        message=f"the targets are {name_of(found.target.dtype)}, and the outputs "
        f"{name_of(found.scores.dtype)}",
        evidence=f"{found.operator.name} compares floats: `{shortened(target.text)}` is "
        f"{found.target}",
        cause=target_place(evidence, target, found.frame),
        symptom=frame_location(frame),
        subject=shortened(target.text),
        cases=("dtype/float64_targets" if double else "loss/integer_bce_targets",),
        candidates=candidates(*_converted(target, method)),
        confidence=9,
    )


def _is_about_dtype(evidence: Evidence) -> bool:
    words = ("dtype", "type", "not implemented for")
    return any(word in evidence.message for word in words) and "size" not in evidence.message


def _converted(target: Operand, method: str) -> Iterator[Attempt]:
    origin = target.origin
    if is_computed(origin):
        text = origin.source.text_of(origin.node)
        simple = isinstance(origin.node, ast.Call | ast.Subscript)
        own = f"{text if simple else f'({text})'}.{method}()"
        yield 0, partial(edits.replace, origin.source, [(origin.node, own)])
    text = f"{target.text}.{method}()"
    yield 1, partial(edits.replace, target.frame.source, [(target.node, text)])


@rule(
    "binary cross-entropy without logits receives probabilities",
    stays_quiet="unless PyTorch itself refuses the values",
)
def logits_in_bce(evidence: Evidence) -> Iterator[Finding]:
    """Find logits in BCELoss, and targets beyond 0 and 1."""
    frame = require_failure(evidence, RuntimeError, ValueError)
    found = loss_call(evidence, {"binary_cross_entropy"}, failed_operator(evidence))
    if found is None or "between 0 and 1" not in evidence.message:
        return
    if any(map(is_swapped, evidence.record.losses)):  # left to predictions_as_targets
        return
    target = "element of target" in evidence.message or "elements of target" in evidence.message
    called = frame.value(frame.call.func) if frame.call else None
    built = evidence.record.construction(called) if isinstance(called, nn.Module) else None
    site = site_of(evidence, built.places) if built else None
    attempts: list[Attempt] = []
    if site is not None and site.called.endswith("BCELoss"):
        new = site.called.replace("BCELoss", "BCEWithLogitsLoss")
        attempts.append((0, partial(edits.replace, site.source, [(site.call.func, new)])))
    elif frame.call is not None:
        name = frame.source.text_of(frame.call.func)
        attempts.append(
            (0, partial(edits.replace, frame.source, [(frame.call.func, f"{name}_with_logits")]))
        )
    operand = found.operand(evidence, 1 if target else 0)
    text = shortened(operand.text) if operand else "the input"
    yield Finding(
        kind="loss/mask_beyond_one_in_bce" if target else "loss/bce_range",
        message=f"`{text}` has values below 0 or above 1 in a binary cross-entropy",
        evidence="targets of a binary loss are 0 and 1"
        if target
        else "they are logits; BCEWithLogitsLoss applies the sigmoid itself",
        cause=location(built.places) if built and built.places else frame_location(frame),
        symptom=frame_location(frame),
        subject=text,
        cases=("loss/bceloss_on_logits",),
        candidates=() if target else candidates(*attempts),
        confidence=9,
    )


@rule(
    "a network with one output channel is trained with a binary loss",
    stays_quiet="about targets that are not integers",
)
def one_channel_cross_entropy(evidence: Evidence) -> Iterator[Finding]:
    """Find cross-entropy of scores without a class dimension: the target has their shape."""
    frame = require_failure(evidence, RuntimeError)
    found = loss_call(evidence, CLASSES, failed_operator(evidence))
    target = found.operand(evidence, 1) if found else None
    if found is None or target is None or found.target.dtype.is_floating_point:
        return
    shape = found.scores.shape
    labels = found.frame.value(target.node)
    with_classes = len(shape) in {2, 4}  # one_class and labels_not_class_numbers judge these
    if shape != found.target.shape or with_classes or not found.scores.dtype.is_floating_point:
        return
    if isinstance(labels, torch.Tensor) and labels.numel() and int(labels.max()) > 1:
        return
    scores = found.frame.source.text_of(found.nodes[0]) if found.nodes else ""
    yield Finding(
        kind="loss/wrong_loss",
        message=f"cross-entropy of one score per target: both have shape {list(shape)}",
        evidence="with one output per pixel or sample, use binary_cross_entropy_with_logits and "
        "float targets",
        cause=frame_location(frame),
        subject=scores,
        cases=("loss/one_channel_cross_entropy",),
        candidates=candidates(*_binary_instead(evidence, found, target)),
        confidence=9,
    )


def _binary_instead(evidence: Evidence, found: LossCall, target: Operand) -> Iterator[Attempt]:
    """Yield the changes of cross_entropy() and of CrossEntropyLoss() to the binary loss."""
    frame, call = found.frame, found.frame.call
    name = frame.source.text_of(call.func) if call else ""
    floats = (target.node, f"{target.text}.float()")
    if call is not None and name.endswith("cross_entropy"):
        new = name.removesuffix("cross_entropy") + "binary_cross_entropy_with_logits"
        yield 0, partial(edits.replace, frame.source, [(call.func, new), floats])
    built = evidence.record.construction(frame.value(call.func)) if call else None
    site = site_of(evidence, built.places) if built else None
    if site is not None and site.source is frame.source:
        new = site.called.replace("CrossEntropyLoss", "BCEWithLogitsLoss")
        yield 0, partial(edits.replace, frame.source, [(site.call.func, new), floats])
