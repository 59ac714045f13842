"""The peak of a peak signal-to-noise ratio is the largest value that a pixel can have."""

from __future__ import annotations

from math import log10, sqrt
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.terms import number_in, plain_name
from broken_convnets.commands.diagnose.sites import location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.contents import Contents
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

BYTE = 255
DECIBELS = frozenset({10, 20})
SMALL = 0.01  # how far pixels from 0 to 1 may lie outside
BYTES = 32  # the largest pixel of images from 0 to 255 is above it


class Ratio(NamedTuple):
    """The logarithm of a ratio, and the error and the peak that it compares."""

    operator: Operator
    error: Operator
    peak: float
    division: Operator


@rule(
    "the peak of a PSNR is that of the images",
    stays_quiet="unless the error is that of mse_loss, the images lie between 0 and 1 and the peak "
    "is 255, or the other way round",
)
def peak_of_other_images(evidence: Evidence) -> Iterator[Finding]:
    """Find a PSNR with the peak 255 for images from 0 to 1, or 1 for images from 0 to 255."""
    images: dict[int, Contents] = {c.operator.number: c.target for c in evidence.record.losses}
    found: dict[object, list[tuple[Ratio, Contents]]] = {}
    for ratio in _ratios(evidence):
        target = images.get(ratio.error.number)
        if target is not None:
            found.setdefault(ratio.division.place, []).append((ratio, target))
    for ratios in found.values():
        if all(_is_other(ratio.peak, target) for ratio, target in ratios):
            yield _finding(*ratios[0])


def _finding(ratio: Ratio, target: Contents) -> Finding:
    peak = 1 if ratio.peak == BYTE else BYTE
    return Finding(
        kind="loss/broadcast_metric",
        message=f"the PSNR has the peak {ratio.peak:g}, and the images have values from "
        f"{target.minimum:.3g} to {target.maximum:.3g}",
        evidence=f"{ratio.operator.places[0].text} is off by "
        f"{20 * abs(log10(ratio.peak / peak)):.1f} dB; the peak of such images is {peak}",
        cause=location(ratio.division.places),
        symptom=location(ratio.error.places),
        subject=ratio.division.places[0].text,
        confidence=7,
    )


def _is_other(peak: float, target: Contents) -> bool:
    """Return whether images surely have another peak."""
    if peak == BYTE:
        return target.within(-SMALL, 1 + SMALL) and not target.integral
    return peak == 1 and target.within(-SMALL, BYTE + SMALL) and target.maximum > BYTES


def _ratios(evidence: Evidence) -> Iterator[Ratio]:
    """Yield the logarithms of a peak divided by a mean squared error, times 10 or 20."""
    for operator in evidence.record.operators:
        if operator.name != "log10" or not operator.outputs or not operator.inputs:
            continue
        factors = [number_in(o) for o in evidence.flow.consumers(operator.outputs[0])]
        division = evidence.record.producer(operator.inputs[0])
        if not any(abs(one or 0) in DECIBELS for one in factors) or division is None:
            continue
        ratio = _of_error(evidence, operator, division)
        if ratio is not None and ratio.division.places and ratio.error.places:
            yield ratio


def _of_error(evidence: Evidence, operator: Operator, division: Operator) -> Ratio | None:
    """Return the ratio that a division computes, of a peak and an error or its root."""
    if plain_name(division) == "div" and len(division.inputs) == 2:  # noqa: PLR2004  (peak, error)
        number, error = division.inputs[0].scalar, division.inputs[1]
    elif plain_name(division) == "rdiv" and len(division.inputs) == 1:
        number, error = number_in(division), division.inputs[0]
    else:
        return None
    maker = _error(evidence, error)
    if number is None or number <= 0 or maker is None:
        return None
    return Ratio(operator, maker[0], number if maker[1] else sqrt(number), division)


def _error(evidence: Evidence, value: Value) -> tuple[Operator, bool] | None:
    """Return the mean squared error that a value is, and whether it is the root of it."""
    operator = evidence.record.producer(value)
    root = operator is not None and operator.name == "sqrt"
    if operator is not None and root:
        operator = evidence.record.producer(operator.inputs[0])
    while operator is not None and plain_name(operator) in {"clamp", "clamp_min", "add", "item"}:
        operator = evidence.record.producer(operator.inputs[0])
    return (operator, root) if operator is not None and operator.name == "mse_loss" else None
