"""Masks of class indices are resized without blending neighboring numbers."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.resizes import blending_resizes
from broken_convnets.commands.diagnose.rules.data.samples import Samples
from broken_convnets.commands.diagnose.rules.loss.predictions import comparisons
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.data.resizes import Resize
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.losses import LossCall
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

LOSSES = frozenset({"cross_entropy", "nll_loss"})
BLENDING = frozenset({"linear", "bilinear", "bicubic", "trilinear", "area"})
MODE = 3  # position of `mode` among the arguments of interpolate
CONVERTING = TRANSPARENT | {"long", "int", "round", "round_", "stack", "cat", "clamp", "byte"}
MASK = 3  # dimensions of a batch of masks
SAMPLES = 3  # that are read of a dataset
STEPS = 40  # operators between a resize and a loss, at most


@rule(
    "masks of class indices are resized without interpolation between classes",
    stays_quiet="about two classes that are 0 and 1, or that a threshold tells apart afterwards, "
    "targets of other losses, and masks of which the program computes something else between the "
    "resize and the loss",
)
def mask_classes_blended(evidence: Evidence) -> Iterator[Finding]:
    """Find masks that are resized with interpolation, which invents class indices."""
    calls = [c for c in evidence.record.losses if c.name in LOSSES and len(c.target.shape) == MASK]
    for call in calls:
        resize = _resize(evidence, call)
        if resize is not None:
            numbers = f"the numbers up to {call.target.maximum:.0f}"
            yield _blended(evidence, resize.places, f"{resize.name} computes means of {numbers}")
            return
    compared = _compared_resize(evidence)
    if compared is not None:
        yield _blended(
            evidence, compared.places, f"{compared.name} computes means of class indices"
        )
        return
    loaders = {one.dataset.base: one for one in evidence.record.loaders} if calls else {}
    for loader in loaders.values():
        samples = Samples.of(evidence, loader)
        for index in range(min(SAMPLES, loader.dataset.length or 0)) if samples else ():
            found = _resize_of_sample(samples, index) if samples else None
            if found is not None and found.is_binary:
                yield _cut_off(found, index)
                return
            if found is not None:
                text = f"in the mask of sample {index}, {found.invented} of {found.after.numel()} "
                text += "pixels get a number that no pixel near them had"
                yield _blended(evidence, found.places, text)
                return


def _resize(evidence: Evidence, call: LossCall) -> Operator | None:
    """Return the operator that blended the integers which became the targets of a loss."""
    if call.target.dtype.is_floating_point or call.target.maximum < 2:  # noqa: PLR2004  (0, 1, 2)
        return None
    return _resize_before(evidence, call.operator.inputs[1:2])


def _compared_resize(evidence: Evidence) -> Operator | None:
    """Return the operator that blended the integers that predictions are compared with."""
    for _, predicted, labels in comparisons(evidence):
        cast = evidence.record.producer(labels)
        numbers = evidence.record.read_inputs.get(cast.number) if cast else None
        if labels.dtype.is_floating_point or numbers is None or numbers.maximum < 2:  # noqa: PLR2004  (as above)
            continue
        if len(labels.shape) >= MASK - 1 and predicted.shape == labels.shape:
            found = _resize_before(evidence, [labels])
            if found is not None and evidence.flow.depends_on_network(predicted):
                return found
    return None


def _resize_before(evidence: Evidence, values: Iterable[Value]) -> Operator | None:
    """Return the interpolation of integers that values were converted from."""
    waiting, step = list(values), 0
    while waiting and step < STEPS:
        operator = evidence.record.producer(waiting.pop())
        step += 1
        if operator is None:
            continue
        if operator.name == "interpolate":
            mode = operator.literals.get("mode", operator.literals.get(MODE, "nearest"))
            blends = mode in BLENDING and _is_integral(evidence, operator.inputs[0])
            return operator if blends and operator.places else None
        if operator.name in CONVERTING:
            waiting += operator.inputs[:4]
    return None


def _is_integral(evidence: Evidence, value: Value) -> bool:
    """Return whether a value has the numbers of a tensor of integers."""
    found: Value | None = value
    for _ in range(STEPS):
        if found is None or not found.dtype.is_floating_point:
            break
        operator = evidence.record.producer(found)
        passes = operator is not None and operator.name in CONVERTING and operator.inputs
        found = operator.inputs[0] if operator is not None and passes else None
    return found is not None


def _resize_of_sample(samples: Samples, index: int) -> Resize | None:
    """Return the resize of a picture that is the mask of a sample, with numbers of its own."""
    with blending_resizes() as resizes:
        sample = samples.read(index, 0)
    masks = [item.squeeze() for item in sample if not item.is_floating_point()]
    for resize in resizes:
        for mask in masks:
            became = resize.whole if resize.is_binary else resize.after
            same = mask.shape == became.shape and bool((mask == became).all())
            if same and resize.places and resize.invented:
                return resize
    return None


def _cut_off(resize: Resize, index: int) -> Finding:
    """Return the finding about a mask of two classes whose edges a cast to integers removes."""
    levels = resize.after.unique()
    return Finding(
        kind="data/mask_interpolation",
        message="a resize interpolates between the background and the objects of a mask, and a "
        "cast to integers makes the pixels between them background",
        evidence=f"in the mask of sample {index}, {resize.lost} pixels that are more object than "
        f"background became background: the resize makes {len(levels)} levels of 2, and a cast "
        "truncates. Nearest-neighbor interpolation keeps the two",
        cause=location(resize.places),
        subject=resize.places[0].text,
        cases=("data/mask_resized_like_an_image",),
        confidence=7,
    )


def _blended(evidence: Evidence, places: Sequence[Place], how: str) -> Finding:
    site = site_of(evidence, places)
    return Finding(
        kind="data/mask_interpolation",
        message="a resize interpolates between the class indices of a mask, which creates other "
        "classes",
        evidence=f"{how}; the mean of class 0 and class 2 is class 1, which neither pixel belongs "
        "to. Nearest-neighbor interpolation keeps the class indices",
        cause=location(places),
        subject=places[0].text,
        cases=("data/mask_resized_like_an_image",),
        candidates=candidates((0, partial(_nearest, site.source, site.call))) if site else (),
        confidence=7,
    )


def _nearest(source: Source, call: ast.Call) -> edits.Patch:
    """Return the change to the nearest pixel: of interpolate, or of resize of torchvision."""
    if called_name(call) == "interpolate":
        given = [source.text_of(one) for one in call.args[:MODE]]
        kept = [k for k in call.keywords if k.arg in {"input", "size", "scale_factor"}]
        named = [f"{k.arg}={source.text_of(k.value)}" for k in kept]
        text = ", ".join([*given, *named, 'mode="nearest"'])
        return edits.replace(source, [(call, f"{source.text_of(call.func)}({text})")])
    if not isinstance(call.func, ast.Attribute) or argument(call, "size", 1) is None:
        message = "the resize is not a function of torchvision"
        raise edits.EditError(message)
    value = f"{source.text_of(call.func.value)}.InterpolationMode.NEAREST"
    return edits.set_argument(source, call, "interpolation", 2, value)
