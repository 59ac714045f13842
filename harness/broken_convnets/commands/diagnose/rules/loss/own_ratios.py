"""A PSNR that the program computes itself: its slope, and its peak.

PSNR = 10 log10(peak**2 / MSE), https://en.wikipedia.org/wiki/Peak_signal-to-noise_ratio: a
difference that is twice as large costs 6.02 dB, and the peak is the largest value of a pixel.
"""

from __future__ import annotations

import ast
from functools import partial, update_wrapper
from math import isfinite, log10
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.forked_call import numbers_from_child
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.array_ranges import converted, ends_of
from broken_convnets.commands.diagnose.rules.loss.pair_answers import (
    answer,
    number,
    only_computes,
    pair_calls,
)
from broken_convnets.commands.diagnose.rules.loss.pair_images import (
    BYTE,
    PIXELS,
    image_range,
    images_apart,
)
from broken_convnets.commands.diagnose.rules.loss.peak_lines import logarithm, peak_line
from broken_convnets.commands.diagnose.rules.loss.peak_of_ratio import peak_of_other_images
from broken_convnets.commands.diagnose.sites import location_in, require_success
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.commands.diagnose.user_functions import user_functions
from broken_convnets.observe.recorder.pair_calls import PairCall

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FunctionType

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

DOUBLED = 20 * log10(2)  # dB that a difference costs that is twice as large
CLOSE = 0.3  # dB
PAIR = ("one", "other")  # parameters
NEAR = 1.5  # factor; luminance has a smaller range than its colors
KIND = "loss/broadcast_metric"


class Answers(NamedTuple):
    """What a function returns for a difference of a tenth of the range, and of two tenths."""

    small: float
    large: float

    @property
    def slope(self) -> float:
        """How much less it returns for the larger difference."""
        return self.small - self.large


@rule(
    "a PSNR that the program computes falls by 6.02 dB if all differences are doubled",
    stays_quiet="unless a function of two images is called psnr and falls by the half or the "
    "double of it, or by as much as the natural logarithm does",
)
def psnr_of_other_slope(evidence: Evidence) -> Iterator[Finding]:
    """Find 20 * log10(peak / mse), 10 * log10(peak / rmse) and natural logarithms."""
    require_success(evidence)
    reasons = {
        2 * DOUBLED: "it takes 20 times the logarithm of an error that is squared already",
        DOUBLED / 2: "it takes 10 times the logarithm of an error that is not squared",
        DOUBLED * 2.302585: "it takes the natural logarithm instead of the decimal one",
    }
    for call, source, syntax in _ratio_calls(evidence):
        peak = image_range(call)
        found = _answers(call, peak) if peak and "psnr" in _name(source, syntax) else None
        reason = next((r for s, r in reasons.items() if found and abs(found.slope - s) < CLOSE), "")
        if found and reason:
            yield Finding(
                kind=KIND,
                message=f"{syntax.name}() is not 10 * log10(peak**2 / mse): {reason}",
                evidence=f"for images that differ by a tenth of their range it returns "
                f"{found.small:.2f} dB, for twice that {found.large:.2f} dB, which is "
                f"{found.slope:.2f} dB less and should be {DOUBLED:.2f}",
                cause=location_in(source, logarithm(syntax) or syntax),
                subject=syntax.name,
                confidence=8,
            )


@rule(
    "a PSNR that the program computes has the peak of the images that it compares",
    stays_quiet="unless the images are from 0 to 1 and the peak is about 255, or from 0 to 255 and "
    "the peak is about 1",
)
def psnr_of_other_peak(evidence: Evidence) -> Iterator[Finding]:
    """Find functions that measure images from 0 to 1 with the peak 255, and the reverse."""
    require_success(evidence)
    for call, source, syntax in _ratio_calls(evidence):
        top = image_range(call)
        found = _answers(call, top) if top else None
        if not top or not found or abs(found.slope - DOUBLED) > CLOSE:
            continue
        peak = top / 10 * 10 ** (found.small / 20)
        wrong = BYTE if top == 1 else 1.0
        if not wrong / NEAR < peak < wrong * NEAR or _is_known(evidence, source, syntax):
            continue
        low = min(float(tensor.min()) for tensor in call.pair)
        high = max(float(tensor.max()) for tensor in call.pair)
        yield Finding(
            kind=KIND,
            message=f"{syntax.name}() has the peak {wrong:g}, and the images have values from "
            f"{low:.3g} to {high:.3g}",
            evidence=f"for images that differ by a tenth of their range it returns "
            f"{found.small:.2f} dB instead of 20: it is off by {20 * log10(BYTE):.1f} dB",
            cause=peak_line(call, source, syntax, wrong),
            subject=syntax.name,
            confidence=8,
        )


def _ratio_calls(evidence: Evidence) -> Iterator[tuple[PairCall, Source, ast.FunctionDef]]:
    """Yield the calls with two tensors, and those of a PSNR of arrays, which is not recorded."""
    seen = set()
    for call, source, syntax in pair_calls(evidence):
        seen.add(syntax)
        if logarithm(syntax) or "psnr" in _name(source, syntax):
            yield call, source, syntax
    for source, syntax, function in user_functions(evidence):
        names = [one.arg for one in syntax.args.args]
        needed = len(names) - len(syntax.args.defaults)
        if syntax in seen or "psnr" not in syntax.name.lower() or not only_computes(syntax):
            continue
        ends = _ends_of_calls(evidence, syntax.name) if needed == len(PAIR) else None
        if ends is not None:
            pair = [torch.tensor(both).double().expand(PIXELS, 2).clone() for both in ends]
            arguments = dict(zip(names, pair, strict=False))
            yield PairCall(_of_arrays(function), arguments, names[0], names[1]), source, syntax


def _ends_of_calls(
    evidence: Evidence, name: str
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return the ranges of both arrays that all calls of a function pass; None if unknown."""
    found = {
        tuple(ends_of(source, argument, known) for argument in node.args)
        for source, known, _ in converted(evidence)
        for node in source.expressions
        if isinstance(node, ast.Call) and called_name(node) == name and len(node.args) == len(PAIR)
    }
    one, other = found.pop() if len(found) == 1 else (None, None)
    return (one, other) if one and other else None


def _of_arrays(function: FunctionType) -> Any:
    """Return a function that passes on its tensors as arrays."""

    def asked(**given: Any) -> Any:
        return function(**{name: tensor.numpy() for name, tensor in given.items()})

    return update_wrapper(asked, function)


def _answers(call: PairCall, top: float) -> Answers | None:
    numbers = numbers_from_child(partial(_asked, call, top))
    return Answers(*numbers) if numbers and all(map(isfinite, numbers)) else None


def _asked(call: PairCall, top: float) -> list[float]:
    pairs = [images_apart(call, top, share) for share in (0.1, 0.2)]
    return [number(answer(call, *pair)) for pair in pairs]


def _name(source: Source, syntax: ast.FunctionDef) -> str:
    """Return the name of a function, after that of the class around it."""
    owner = source.class_of(syntax)
    return f"{owner.name}.{syntax.name}".lower() if owner else syntax.name.lower()


def _is_known(evidence: Evidence, source: Source, syntax: ast.FunctionDef) -> bool:
    """Return whether another rule reports the peak at a line of the function."""
    causes = [one.cause for one in peak_of_other_images(evidence) if one.cause]
    return any(
        cause.file == source.path and syntax.lineno <= cause.line <= (syntax.end_lineno or 0)
        for cause in causes
    )
