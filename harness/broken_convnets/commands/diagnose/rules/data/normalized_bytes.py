"""Bytes are divided by 255 before the program itself subtracts a mean between 0 and 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name
from broken_convnets.commands.diagnose.sites import location, require_success
from broken_convnets.observe.recorder.scales import CHANNELS, Scale
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

MOVES = TRANSPARENT | {"stack", "cat", "flip", "interpolate", "clone", "detach"}
STATISTICS = frozenset({"mean", "std", "var", "var_mean", "std_mean", "amax", "max", "median"})
STEPS = 12  # operators between the bytes and the subtraction
WHITE = 255
IMAGE = (3, 4)  # dimensions of an image, and of a batch
MODULE = "Normalize"  # of torchvision: normalize_of_unscaled_pixels knows it


class Normalized(NamedTuple):
    """`(pixels - mean) / deviation`, the bytes that the pixels were, and the range of both."""

    subtraction: Operator
    division: Operator
    pixels: Value
    deviation: float


@rule(
    "bytes are divided by 255 before a mean between 0 and 1 is subtracted",
    stays_quiet="unless tensors of bytes are only moved and converted before the program subtracts "
    "from them and divides them by a number below 1, neither of which was computed from images, "
    "and a network receives numbers beyond 100",
)
def bytes_normalized_as_shares(evidence: Evidence) -> Iterator[Finding]:
    """Find `(x.float() - mean) / std` of an image of bytes."""
    require_success(evidence)
    seen: set[object] = set()
    for forward in evidence.record.passes:
        if forward.scale is not Scale.LARGE or forward.places[:1] in seen:
            continue
        seen.add(forward.places[:1])
        found = _normalized(evidence, forward)
        if found is None:
            continue
        place = found.subtraction.places[0]
        yield Finding(
            kind="data/normalize_range",
            message=f"`{place.text}` subtracts the mean of numbers from 0 to 1 from pixels from 0 "
            f"to {WHITE}, which nothing has divided by {WHITE}",
            evidence=f"the pixels are {found.pixels} converted to {found.subtraction.inputs[0]}, "
            f"and are divided by {found.deviation:.3g}, so that the network receives numbers "
            f"up to about {WHITE / found.deviation:.0f}",
            violates=(Law.INPUTS_AS_DECLARED,),
            cause=location(found.subtraction.places),
            symptom=location(forward.places),
            subject=place.text,
            cases=("data/unscaled_pixels",),
            confidence=8,
        )
        return


def _normalized(evidence: Evidence, forward: ForwardPass) -> Normalized | None:
    """Return how the images of a forward pass were normalized, if they were bytes before."""
    for value in evidence.flow.ancestors(forward.received[:1]):
        division = evidence.record.producer(value)
        if division is None or plain_name(division) != "div" or division.layer == MODULE:
            continue
        deviation = _deviation(evidence, division)
        subtraction = _subtraction(evidence, division)
        if deviation is None or subtraction is None or not _is_image(value):
            continue
        pixels = _bytes(evidence, subtraction.inputs[0])
        if pixels is not None:
            return Normalized(subtraction, division, pixels, deviation)
    return None


def _is_image(value: Value) -> bool:
    return len(value.shape) in IMAGE and not CHANNELS.isdisjoint(value.shape[-3:])


def _deviation(evidence: Evidence, division: Operator) -> float | None:
    """Return the largest number that pixels are divided by, if it is between 0 and 1."""
    number = number_in(division)
    if number is not None:
        return number if 0 < number < 1 else None
    contents = evidence.record.read_inputs.get(division.number)
    if len(division.inputs) < 2 or contents is None or contents.minimum <= 0:  # noqa: PLR2004  (a quotient)
        return None
    computed = _is_statistic(evidence, division.inputs[1])
    return contents.maximum if contents.maximum < 1 and not computed else None


def _subtraction(evidence: Evidence, division: Operator) -> Operator | None:
    """Return what subtracts a mean right before a division."""
    operator = evidence.record.producer(division.inputs[0]) if division.inputs else None
    if operator is None or plain_name(operator) != "sub" or not operator.places:
        return None
    number = number_in(operator)
    if number is not None:
        return operator if 0 < number < 1 else None
    two = len(operator.inputs) == 2  # noqa: PLR2004  (pixels, mean)
    return operator if two and not _is_statistic(evidence, operator.inputs[1]) else None


def _is_statistic(evidence: Evidence, value: Value) -> bool:
    """Return whether a number was computed from others, as the mean of an image."""
    makers = (evidence.record.producer(one) for one in evidence.flow.ancestors([value]))
    return any(one is not None and one.name in STATISTICS for one in makers)


def _bytes(evidence: Evidence, value: Value) -> Value | None:
    """Return the bytes that pixels were before they were converted; None for other pixels."""
    for _ in range(STEPS):
        if value.dtype is torch.uint8:
            return value
        operator = evidence.record.producer(value)
        if operator is None or operator.name not in MOVES or not operator.inputs:
            return None
        value = operator.inputs[0]
    return None
