"""Detectors of torchvision receive targets with valid boxes while they train."""

from __future__ import annotations

import ast
import re
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.imports import replaced_with_import
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    assignments,
    candidates,
    location_in,
)
from broken_convnets.observe.recorder.passes import running_modules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

Attempt = tuple[int, "Callable[[], Patch]"]
CORNERS = 4  # numbers of a box
ERRORS = (AssertionError, ValueError, RuntimeError, TypeError)


def _detector(evidence: Evidence) -> nn.Module | None:
    """Return the detector of torchvision whose forward pass failed."""
    running = running_modules(evidence.error) if evidence.error else []
    own = (m for m in running if "detection" in type(m).__module__)
    return next(own, None)


@rule(
    "a detector receives targets in train mode",
    stays_quiet="about detectors of other libraries",
)
def detector_without_targets(evidence: Evidence) -> Iterator[Finding]:
    """Find detectors that are called with images alone before eval()."""
    frame = require_failure(evidence, *ERRORS)
    network, call = _detector(evidence), frame.call
    if network is None or call is None or not network.training:
        return
    if "argets" not in evidence.message or len(call.args) + len(call.keywords) > 1:
        return
    text = frame.source.text_of(call.func)
    statement = frame.statement
    name = text if isinstance(call.func, ast.Name | ast.Attribute) else ""
    change = (
        partial(edits.insert_before, frame.source, statement, f"{name}.eval()")
        if (statement is not None)
        else None
    )
    yield Finding(
        kind="detection/targets_missing",
        message=f"`{text}` is in train mode and receives no targets",
        evidence=f"a {type(network).__name__} computes losses from targets in train mode, and "
        "detects in eval mode",
        cause=frame_location(frame),
        subject=text,
        candidates=candidates((0, change)) if change and name else (),
        confidence=10,
    )


@rule(
    "boxes have a positive width and height",
    stays_quiet="about boxes that no detector of torchvision receives",
)
def invalid_boxes(evidence: Evidence) -> Iterator[Finding]:
    """Find boxes whose corners are swapped, or that are given as width and height."""
    frame = require_failure(evidence, *ERRORS)
    if _detector(evidence) is None or "bounding box" not in evidence.message:
        return
    box = re.search(r"\[[-\d., ]+\]", evidence.message)
    made = list(_made_boxes(evidence))
    source, call = made[0] if len(made) == 1 else (None, None)
    listed = _listed_box(source, call) if source and call else None
    node = listed or call
    yield Finding(
        kind="detection/invalid_boxes",
        message=f"a target has the box {box[0] if box else ''}, which has no area"
        if box
        else "a target has a box without area",
        evidence="boxes are [x1, y1, x2, y2] with x1 < x2 and y1 < y2; boxes of COCO are "
        "[x, y, width, height]",
        cause=location_in(source, node) if source and node else frame_location(frame),
        symptom=frame_location(frame),
        subject=shortened(source.text_of(node)) if source and node else "boxes",
        candidates=candidates(
            *([(0, partial(_as_corners, source, listed))] if source and listed else []),
            *([(1, partial(_converted, source, call))] if source and call else []),
        ),
        confidence=10,
    )


@rule(
    "the boxes of an image without objects have the shape [0, 4]",
    stays_quiet="about boxes that no detector of torchvision receives",
)
def boxes_of_empty_image(evidence: Evidence) -> Iterator[Finding]:
    """Find boxes that are made from a list that may be empty."""
    frame = require_failure(evidence, *ERRORS)
    empty = "shape [N, 4]" in evidence.message and "[0]" in evidence.message
    if _detector(evidence) is None or not empty:
        return
    made = list(_made_boxes(evidence))
    source, call = made[0] if len(made) == 1 else (None, None)
    text = source.text_of(call) if source and call else "the boxes of a target"
    yield Finding(
        kind="detection/invalid_boxes",
        message=f"an image has no objects, and `{text}` has the shape [0] then"
        if source
        else "an image has no objects, and its boxes have the shape [0]",
        evidence="a detector requires [N, 4], so [0, 4] for an image without objects: "
        "`.reshape(-1, 4)` returns it for an empty list too",
        cause=location_in(source, call) if source and call else frame_location(frame),
        symptom=frame_location(frame),
        subject=text,
        candidates=candidates(
            (0, partial(edits.replace, source, [(call, f"{text}.reshape(-1, 4)")]))
        )
        if source and call
        else (),
        confidence=10,
    )


def _listed_box(source: Source, call: ast.Call) -> ast.List | ast.Tuple | None:
    """Return the one box `[x, y, w, h]` that is appended to the list which a call converts."""
    name = call.args[0].id if call.args and isinstance(call.args[0], ast.Name) else ""
    function = source.function_of(call) or source.tree
    appended = [
        node.args[0]
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and node.args
        and source.text_of(node.func) == f"{name}.append"
    ]
    box = appended[0] if len(appended) == 1 else None
    return box if isinstance(box, ast.List | ast.Tuple) and len(box.elts) == CORNERS else None


def _as_corners(source: Source, box: ast.List | ast.Tuple) -> Patch:
    """Add the corner to the width and the height."""
    x, y, width, height = map(source.text_of, box.elts)
    return edits.replace(
        source, [(box.elts[2], f"{x} + {width}"), (box.elts[3], f"{y} + {height}")]
    )


def _converted(source: Source, call: ast.Call) -> Patch:
    """Convert the boxes of COCO to corners, and import what converts them."""
    text = f'torchvision.ops.box_convert({source.text_of(call)}, "xywh", "xyxy")'
    if any(
        isinstance(n, ast.Import) and n.names[0].name == "torchvision" for n in source.tree.body
    ):
        return edits.replace(source, [(call, text)])
    return replaced_with_import(source, call, text, "import torchvision")


def _made_boxes(evidence: Evidence) -> Iterator[tuple[Source, ast.Call]]:
    """Yield the calls whose results become the boxes of targets: values of the key "boxes"."""
    for source in evidence.user_sources:
        for node in source.nodes:
            for value in _values_of_boxes(node):
                scope = source.function_of(node) or source.tree
                named = [one.value for one in assignments(source, source.text_of(value), scope)]
                for call in named or [value]:
                    if isinstance(call, ast.Call):
                        yield source, call


def _values_of_boxes(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what `{"boxes": x}`, `dict(boxes=x)` and `target["boxes"] = x` store."""
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        yield from (v for k, v in pairs if isinstance(k, ast.Constant) and k.value == "boxes")
    if isinstance(node, ast.Call):
        yield from (k.value for k in node.keywords if k.arg == "boxes")
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    if isinstance(target, ast.Subscript) and isinstance(node, ast.Assign):
        key = target.slice
        if isinstance(key, ast.Constant) and key.value == "boxes":
            yield node.value
