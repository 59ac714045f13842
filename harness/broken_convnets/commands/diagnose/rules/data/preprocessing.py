"""Images are scaled and normalized once before a network uses them."""

from __future__ import annotations

import ast
import re
from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import Site, candidates, location, site_of
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.observe.trees import tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Construction, Operator

WHITE = 255
LEVELS = 32  # different values of pixels, at least
IMAGES = 4  # dimensions of a batch of images
CHANNELS = {1, 3}
LAYOUT = frozenset(
    {"to", "float", "stack", "cat", "permute", "view", "reshape", "unsqueeze", "contiguous"}
    | {"__getitem__", "transpose", "clone", "type", "squeeze", "flatten", "select", "unbind"}
)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
LAYERS = frozenset({"conv2d", "linear"})


@rule(
    "pixels are scaled before a convolution uses them",
    stays_quiet="about inputs that are not integers from 0 to 255, that have few different "
    "values, or that pass any arithmetic or normalization before or directly after the first layer",
)
def pixels_not_scaled(evidence: Evidence) -> Iterator[Finding]:
    """Find 8-bit pixels as floats, 0 to 255, that reach a layer as they are."""
    for forward in evidence.record.passes:
        if forward.number != 1 or not forward.whole or not forward.parameters:
            continue
        levels = _levels(forward)
        if levels and _reaches_layer(evidence, forward):
            conversion = _conversion(evidence, forward)
            places = conversion.places if conversion else forward.places
            site = site_of(evidence, places)
            yield Finding(
                kind="data/normalize_range",
                message="the network receives pixels from 0 to 255 that nothing has scaled",
                evidence=f"its input of shape {forward.received[0].shape} has {levels} different "
                f"values, all of them integers, up to {WHITE}",
                violates=(Law.INPUTS_AS_DECLARED,),
                cause=location(places),
                symptom=location(forward.places),
                subject=places[0].text if places else "",
                cases=("data/unscaled_pixels",),
                candidates=_scaled(site) if site else (),
                confidence=6,
            )
            return


def _levels(forward: ForwardPass) -> int:
    """Return how many different values an input of 8-bit pixels has; 0 if it is none."""
    for image in tensors(forward.captured or ()):
        if image.dim() != IMAGES or image.shape[1] not in CHANNELS:
            continue
        if not image.dtype.is_floating_point or not image.numel() or image.is_meta:
            continue
        values = torch.unique(image.detach().float())
        integers = bool((values == values.round()).all()) and float(values[0]) >= 0
        if integers and WHITE / 2 < float(values[-1]) <= WHITE and len(values) >= LEVELS:
            return len(values)
    return 0


def _reaches_layer(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether every operator that uses the input first is a layer with weights.

    A layer whose output is normalized does not count: its scale makes no difference.
    """
    waiting, seen, reached = list(forward.received[:1]), set(), False
    end = forward.operators_at_end or 0
    while waiting:
        value = waiting.pop()
        for operator in evidence.flow.consumers(value):
            if not forward.moment.operators <= operator.number < end or operator in seen:
                continue
            seen.add(operator)
            if operator.name in LAYERS and not _is_normalized(evidence, operator):
                reached = True
            elif operator.name in LAYOUT:
                waiting += operator.outputs
            else:
                return False
    return reached


def _is_normalized(evidence: Evidence, layer: Operator) -> bool:
    users = [one for value in layer.outputs for one in evidence.flow.consumers(value)]
    return any(one.name.endswith("_norm") for one in users)


def _conversion(evidence: Evidence, forward: ForwardPass) -> Operator | None:
    """Return the operator that turned the 8-bit pixels into floats."""
    for value in evidence.flow.ancestors(forward.received[:1]):
        operator = evidence.record.producer(value)
        if operator is None or not value.dtype.is_floating_point:
            continue
        if any(one.dtype is torch.uint8 for one in operator.inputs) and operator.places:
            return operator
    return None


def _scaled(site: Site) -> tuple[Candidate, ...]:
    source, call = site.source, site.call
    if called_name(call) in {"float", "to", "type"}:
        text = f"{source.text_of(call)} / 255"
        return candidates((0, partial(edits.replace, source, [(call, text)])))
    calls = [node for node in source.expressions if isinstance(node, ast.Call)]
    unscaled = [one for one in calls if called_name(one) == "ToDtype" and len(one.args) == 1]
    attempts = (partial(edits.set_argument, source, one, "scale", 1, "True") for one in unscaled)
    return candidates(*((0, attempt) for attempt in attempts))


@rule(
    "images are normalized once",
    stays_quiet="about a second Normalize that receives numbers from 0, or that returns numbers "
    "from 0 to 1, as one does that undoes the first",
)
def normalized_twice(evidence: Evidence) -> Iterator[Finding]:
    """Find a Normalize of torchvision that receives what another one has returned."""
    done: dict[object, ForwardPass] = {}
    for forward in evidence.record.all_passes():
        built = construction_of(evidence, forward)
        if built is None or built.type != "Normalize":
            continue
        for value in forward.received:
            earlier = done.get(value)
            if earlier and earlier.network is not forward.network and _shifts(evidence, forward):
                yield _twice(evidence, earlier, forward)
                return
        done.update(dict.fromkeys(forward.returned, forward))


def _shifts(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether a pass receives numbers below 0 and moves them by a mean from 0 to 1."""
    images = tensors(forward.captured or ())
    built = construction_of(evidence, forward)
    if not images or built is None or float(images[0].min()) >= 0:
        return False
    mean, std = (numbers_in(built.arguments.get(name)) for name in ("mean", "std"))
    return bool(mean and std) and all(0 <= m <= 1 for m in mean) and all(0 < s < 1 for s in std)


def construction_of(evidence: Evidence, forward: ForwardPass) -> Construction | None:
    """Return where the network of a pass is constructed, even if it is gone."""
    every = evidence.record.constructions
    return next((one for one in every if one.object is forward.network), None)


def numbers_in(argument: object) -> list[float]:
    """Return the numbers of an argument; none if its text describes anything else, as a tensor."""
    text = str(argument)
    numbers = NUMBER.findall(text)
    return [float(one) for one in numbers] if not NUMBER.sub("", text).strip("()[], ") else []


def _twice(evidence: Evidence, first: ForwardPass, second: ForwardPass) -> Finding:
    built = [construction_of(evidence, one) for one in (first, second)]
    places = built[1].places if built[1] else second.places
    low = float(tensors(second.captured or ())[0].min())
    return Finding(
        kind="data/normalize_range",
        message="the images are normalized twice",
        evidence=f"the second Normalize receives what the first one has returned; its input has "
        f"numbers below 0 already, down to {low:.3g}",
        violates=(Law.INPUTS_AS_DECLARED,),
        cause=location(places),
        symptom=location(built[0].places) if built[0] else None,
        subject=places[0].text if places else "",
        cases=("data/normalized_twice",),
        confidence=8,
    )
