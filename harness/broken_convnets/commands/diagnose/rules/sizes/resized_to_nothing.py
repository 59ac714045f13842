"""Images that are resized have a height and a width of 1 or more."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    origin_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.origins import origin_of
from broken_convnets.commands.diagnose.analysis.user_frames import value_of
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import failed_operator
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.origins import Origin
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence

IMAGE = 3  # dimensions of an image in a batch of vectors, at least


@rule(
    "images are resized to a height and a width of 1 or more",
    stays_quiet="about images that are empty before they are resized",
)
def resized_to_nothing(evidence: Evidence) -> Iterator[Finding]:
    """Find sizes that an integer division or a scale factor rounds to 0."""
    frame = require_failure(evidence, RuntimeError)
    if "Input and output sizes should be greater than 0" not in evidence.message:
        return
    operator = failed_operator(evidence)
    shape = operator.inputs[0].shape if operator and operator.inputs else ()
    if len(shape) < IMAGE or 0 in shape:
        return
    node = argument(frame.call, "size", 1) if frame.call else None
    origin = _computed(evidence, node) if node else None
    text = shortened(origin.source.text_of(origin.node)) if origin else "the scale factor"
    yield Finding(
        kind="shape/interpolate_to_zero",
        message=f"`{text}` is 0 for images of {' x '.join(map(str, shape[2:]))}",
        evidence="the division rounds down to 0: divide by less, or use max(1, ...) as a limit",
        cause=origin_location(origin) if origin else frame_location(frame),
        symptom=frame_location(frame),
        subject=text,
        cases=("shape/interpolate_to_size_zero",),
        candidates=candidates((0, partial(_limited, origin))) if origin else (),
        confidence=9,
    )


def _computed(evidence: Evidence, node: ast.expr) -> Origin:
    """Return the origin of a size, or of the number that is 0 in a display of numbers."""
    origin = origin_of(evidence, 0, node)
    if isinstance(origin.node, ast.Tuple | ast.List):
        zeros = (n for n in origin.node.elts if value_of(n, origin.scope) == 0)
        zero = next((n for n in zeros if isinstance(n, ast.Name)), None)
        return origin_of(evidence, 0, zero) if zero else origin
    return origin


def _limited(origin: Origin) -> Patch:
    """Return the change that limits each integer division to 1 or more."""
    divisions = [
        node
        for node in ast.walk(origin.node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv)
    ]
    if not divisions:
        reason = "the size has no division"
        raise edits.EditError(reason)
    text = origin.source.text_of
    return edits.replace(origin.source, [(node, f"max(1, {text(node)})") for node in divisions])
