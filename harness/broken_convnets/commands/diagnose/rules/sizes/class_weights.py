"""A loss has a weight for each class."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failing import construction_of
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.origins import follow
from broken_convnets.commands.diagnose.analysis.sizes.arguments import spots_of
from broken_convnets.commands.diagnose.findings import Candidate, Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import failed_operator, produced
from broken_convnets.commands.diagnose.sites import candidates, location_in, site_of
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator

Made = tuple["Source", ast.expr]
Attempt = tuple[int, "Callable[[], Patch]"]
WEIGHTS = re.compile(r"weight tensor should be defined either for all (\d+) classes")
FILLED = {"ones", "zeros", "rand", "empty"}  # with the number of classes first
MAKES = {"tensor", "Tensor", "FloatTensor", "as_tensor", "array"}
MOVES = {"to", "cuda", "float"}
STEPS = 4  # from a constructor to what it is given


@rule(
    "a loss has as many class weights as the network has scores",
    stays_quiet="about weights of samples",
)
def other_number_of_class_weights(evidence: Evidence) -> Iterator[Finding]:
    """Find class weights of another length than the scores."""
    frame = require_failure(evidence, RuntimeError)
    matched, operator = WEIGHTS.match(evidence.message), failed_operator(evidence)
    if matched is None or operator is None or len(operator.inputs) < 3:  # noqa: PLR2004  (scores, target, weight)
        return
    classes, weights = int(matched[1]), operator.inputs[2]
    made = _made(evidence, frame, operator)
    length = weights.shape[0] if weights.shape else 1
    text = shortened(made[0].text_of(made[1])) if made else "the weights"
    yield Finding(
        kind="loss",
        message=f"the loss has {length} class weights, and the network scores {classes} classes",
        evidence=f"the scores are {operator.inputs[0]}; the weights are `{text}`",
        cause=location_in(*made) if made else frame_location(frame),
        symptom=frame_location(frame),
        subject=text,
        candidates=_corrected(*made, length, classes) if made else (),
        confidence=10,
    )


def _made(evidence: Evidence, frame: UserFrame, operator: Operator) -> Made | None:
    """Return the expression that makes the weights: of the function's call, or the module's."""
    own = argument(frame.call, "weight", 2) if frame.call else None
    if own is not None and not isinstance(frame.value(frame.call.func), nn.Module):  # type: ignore[union-attr]  # a call
        origin = produced(evidence, 0, own)
        inner = _wrapped(origin.node)
        if inner is not None:
            origin = follow(evidence, replace(origin, node=inner, before=None))
        return origin.source, origin.node
    owner = operator.owner() if operator.owner is not None else None
    built = construction_of(evidence.record, owner) if owner is not None else None
    site = site_of(evidence, built.places) if built else None
    given = argument(site.call, "weight", 0) if site else None
    if built is None or site is None or given is None:
        return None
    source, node = site.source, given
    for _ in range(STEPS):
        spot = spots_of(evidence, source, node, built)[-1]
        inner = _wrapped(spot.node)
        source, node = spot.source, inner or spot.node
        if inner is None:
            break
    return source, node


def _wrapped(node: ast.expr) -> ast.expr | None:
    """Return what `torch.tensor(...)` or `.to(device)` is given; None for other expressions."""
    if not isinstance(node, ast.Call):
        return None
    if called_name(node) in MAKES and node.args:
        return node.args[0]
    moves = called_name(node) in MOVES and isinstance(node.func, ast.Attribute)
    return node.func.value if moves and isinstance(node.func, ast.Attribute) else None


def _corrected(source: Source, node: ast.expr, length: int, classes: int) -> tuple[Candidate, ...]:
    """Return the changes to the right length: another number, or a weight of 1 for each more."""
    found = candidates(*_attempts(source, node, length, classes))
    note = "choose the weight of each class"
    return tuple(Candidate(one.patch, one.rank, note if one.rank else "") for one in found)


def _attempts(source: Source, node: ast.expr, length: int, classes: int) -> Iterator[Attempt]:
    if isinstance(node, ast.Call) and called_name(node) in FILLED and len(node.args) == 1:
        yield 0, partial(edits.replace, source, [(node.args[0], str(classes))])
    function = source.function_of(node)
    for call in ast.walk(function or node):
        counts = isinstance(call, ast.Call) and called_name(call) == "bincount"
        if counts and isinstance(call, ast.Call) and length < classes:
            yield 0, partial(edits.set_argument, source, call, "minlength", 2, str(classes))
    if isinstance(node, ast.List) and len(node.elts) == length < classes and node.elts:
        texts = [source.text_of(one) for one in node.elts] + ["1.0"] * (classes - length)
        yield 1, partial(edits.replace, source, [(node, f"[{', '.join(texts)}]")])
