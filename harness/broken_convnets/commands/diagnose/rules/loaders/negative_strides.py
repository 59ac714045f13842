"""An array that is flipped in NumPy is copied before it becomes a tensor."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

FLIPS = frozenset({"fliplr", "flipud", "flip", "rot90"})


@rule(
    "an array that is flipped in NumPy is copied before it becomes a tensor",
    stays_quiet="unless torch refuses an array with a negative stride",
)
def array_with_negative_stride(evidence: Evidence) -> Iterator[Finding]:
    """Find flips in NumPy, which return views with negative strides."""
    frame = require_failure(evidence, ValueError)
    if "negative" not in evidence.message or "stride" not in evidence.message:
        return
    files = {one.source.path: one.source for one in evidence.frames}
    files |= {source.path: source for source in evidence.user_sources}
    flips = [(source, node) for source in files.values() for node in _flips(source)]
    copies = [(source, node) for source, node in flips if not _is_copied(source, node)]
    first = copies[0] if copies else None
    text = shortened(first[0].text_of(first[1])) if first else "the array"
    changes = [(node, f"{source.text_of(node)}.copy()") for source, node in copies]
    attempt = (0, partial(edits.replace, first[0], changes)) if first else None
    one_file = len({source.path for source, _ in copies}) == 1
    yield Finding(
        kind="data/bgr_rgb",
        message=f"`{text}` returns a view that torch cannot use: copy it",
        evidence="a flip in NumPy only changes the sign of a stride, and tensors have no negative "
        "strides; `.copy()` writes the flipped array",
        cause=location_in(*first) if first else frame_location(frame),
        symptom=frame_location(frame),
        subject=text,
        cases=("data/bgr_channel_order",),
        candidates=candidates(attempt) if attempt and one_file else (),
        confidence=10,
    )


def _flips(source: Source) -> Iterator[ast.expr]:
    """Yield calls of NumPy's flips, and slices with a negative step."""
    for node in source.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if called_name(node) in FLIPS and source.text_of(node.func.value) in {"np", "numpy"}:
                yield node
        elif isinstance(node, ast.Subscript):
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            if any(isinstance(part, ast.Slice) and _is_negative(part.step) for part in parts):
                yield node


def _is_negative(step: ast.expr | None) -> bool:
    return isinstance(step, ast.UnaryOp) and isinstance(step.op, ast.USub)


def _is_copied(source: Source, node: ast.expr) -> bool:
    around = source.parent(node)
    called = around.attr if isinstance(around, ast.Attribute) else ""
    name = called_name(around) if isinstance(around, ast.Call) else ""
    return called in {"copy", "astype"} or name in {"ascontiguousarray", "array", "copy"}
