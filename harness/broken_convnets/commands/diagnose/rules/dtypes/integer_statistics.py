"""Means, deviations and norms are computed of floating-point numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    origin_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import (
    conversions,
    failed_operator,
    is_computed,
    name_of,
    operand_of,
    outer_operand,
)
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Location
    from broken_convnets.commands.diagnose.rules.dtypes.casts import Operand

ONLY_FLOATS = re.compile(
    r"could not infer output dtype|only support floating point|expected a floating.point",
    re.IGNORECASE,
)


@rule(
    "means, standard deviations and norms are computed from floating-point tensors",
    stays_quiet="about other operators, and integers that are not the input of the operator",
)
def statistics_of_integers(evidence: Evidence) -> Iterator[Finding]:
    """Find images of bytes whose mean is computed before they are converted."""
    frame = require_failure(evidence, RuntimeError)
    operator = failed_operator(evidence)
    given = operator.inputs[0] if operator and operator.inputs else None
    if operator is None or given is None or not ONLY_FLOATS.search(evidence.message):
        return
    if given.dtype.is_floating_point or given.dtype.is_complex:
        return
    one = operand_of(evidence, given)
    text = shortened(one.text) if one else "its input"
    scale = " / 255" if given.dtype is torch.uint8 else ""
    yield Finding(
        kind="dtype/uint8_input" if scale else "dtype/input_dtype",
        message=f"{operator.name}() receives {name_of(given.dtype)}, and needs floating point",
        evidence=f"`{text}` is {given}",
        cause=(_cause(evidence, one) if one else None) or frame_location(frame),
        symptom=frame_location(frame),
        subject=operator.name,
        cases=("dtype/uint8_images",) if scale else (),
        candidates=candidates(*conversions(evidence, one, f"float(){scale}")) if one else (),
        confidence=9,
    )


def _cause(evidence: Evidence, one: Operand) -> Location:
    """Return where the numbers are computed, or the outermost line that passes them on."""
    if is_computed(one.origin):
        return origin_location(one.origin)
    return frame_location(outer_operand(evidence, one).frame)
