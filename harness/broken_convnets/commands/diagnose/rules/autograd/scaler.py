"""A GradScaler scales the loss, steps the optimizer and updates itself, in this order."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

Attempt = tuple[int, "Callable[[], Patch]"]
METHODS = {"step", "update", "unscale_", "scale"}
HALVES = ("half", "bfloat16", "to")


def _is_scaler(frame: UserFrame) -> bool:
    """Return whether the failing call is a method of a GradScaler."""
    call = frame.call
    if call is None or not isinstance(call.func, ast.Attribute) or call.func.attr not in METHODS:
        return False
    return type(frame.value(call.func.value)).__name__ == "GradScaler"


@rule(
    "a GradScaler scales the loss before it steps",
    stays_quiet="about scalers that are disabled",
)
def loss_not_scaled(evidence: Evidence) -> Iterator[Finding]:
    """Find scaler.step() and scaler.update() without scaler.scale(loss).backward()."""
    frame = require_failure(evidence, AssertionError, RuntimeError)
    text = evidence.message
    if not _is_scaler(frame) or not ("_scale is None" in text or "No inf checks" in text):
        return
    call = frame.call
    scaler = (
        frame.source.text_of(call.func.value)
        if call and isinstance(call.func, ast.Attribute)
        else "scaler"
    )
    plain = list(_plain_backwards(frame.source, scaler))
    scaled = "_scale is None" not in text
    where = plain[0] if plain else None
    reached = "no parameter of the optimizer has a gradient" if scaled else "scale() never ran"
    yield Finding(
        kind="training/scaler_without_gradients" if scaled else "training/scaler_never_scaled",
        message=f"`{scaler}` has not scaled the loss of this step: {reached}",
        evidence=f"line {where.lineno} calls backward() on the loss itself; use "
        f"{scaler}.scale(loss).backward()"
        if where
        else f"call {scaler}.scale(loss).backward() before `{frame.source.text_of(frame.call)}`"
        if frame.call
        else "",
        cause=Location(frame.source.path, where.lineno) if where else frame_location(frame),
        symptom=frame_location(frame),
        subject=scaler,
        candidates=candidates(*_scaled(frame.source, scaler, plain)),
        confidence=9,
    )


def _plain_backwards(source: Source, scaler: str) -> Iterator[ast.Call]:
    """Yield the calls of backward() on something else than what the scaler returns."""
    for node in source.expressions:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            scaled = f"{scaler}.scale(" in source.text_of(node)
            if called_name(node) == "backward" and not scaled:
                yield node


def _scaled(source: Source, scaler: str, calls: list[ast.Call]) -> Iterator[Attempt]:
    for call in calls:
        loss = call.func.value if isinstance(call.func, ast.Attribute) else None
        if loss is not None:
            new = f"{scaler}.scale({source.text_of(loss)})"
            yield 0, partial(edits.replace, source, [(loss, new)])


@rule(
    "mixed precision keeps the parameters in float32",
    stays_quiet="about networks that no GradScaler trains",
)
def half_parameters_with_scaler(evidence: Evidence) -> Iterator[Finding]:
    """Find networks that were converted to half precision and are trained with a GradScaler."""
    frame = require_failure(evidence, ValueError, RuntimeError)
    if not _is_scaler(frame) or "FP16 gradients" not in evidence.message:
        return
    found = _conversion(evidence)
    text = found[0].text_of(found[1]) if found else ""
    yield Finding(
        kind="dtype/half_vs_float",
        message="the parameters are in half precision; a GradScaler needs float32 parameters",
        evidence=f"`{text}` converts them; autocast chooses half precision where it is safe"
        if found
        else "autocast chooses half precision where it is safe",
        cause=Location(found[0].path, found[1].lineno) if found else frame_location(frame),
        symptom=frame_location(frame),
        subject="parameters",
        cases=("dtype/gradscaler_with_half_model",),
        candidates=candidates(*_without_conversion(*found)) if found else (),
        confidence=10,
    )


def _conversion(evidence: Evidence) -> tuple[Source, ast.Call] | None:
    """Return the call that converts a network to half precision."""
    for frame in evidence.frames:
        for node in frame.source.expressions:
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            half = node.func.attr == "half" or "float16" in frame.source.text_of(node)
            owner = frame.value(node.func.value)
            module = isinstance(owner, nn.Module) or isinstance(node.func.value, ast.Call)
            if node.func.attr in HALVES and half and module:
                return frame.source, node
    return None


def _without_conversion(source: Source, call: ast.Call) -> Iterator[Attempt]:
    statement = source.statement_of(call)
    if isinstance(statement, ast.Expr) and statement.value is call:
        yield 0, partial(edits.delete, source, statement)
    elif isinstance(call.func, ast.Attribute):
        new = source.text_of(call.func.value)
        yield 0, partial(edits.replace, source, [(call, new)])


@rule(
    "a GradScaler steps and unscales once between two updates",
    stays_quiet="about several optimizers",
)
def scaler_without_update(evidence: Evidence) -> Iterator[Finding]:
    """Find scaler.step() or unscale_() twice without scaler.update()."""
    frame = require_failure(evidence, RuntimeError)
    twice = "since the last update" in evidence.message
    if not _is_scaler(frame) or not twice or frame.call is None or frame.statement is None:
        return
    call, statement = frame.call, frame.statement
    scaler = frame.source.text_of(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    update = f"{scaler}.update()"
    missing = update not in frame.source.text
    yield Finding(
        kind="training/scaler_never_scaled",
        message=f"`{frame.source.text_of(call)}` runs twice without `{update}` in between",
        evidence=f"`{update}` belongs after each optimizer step"
        + (", and the program never calls it" if missing else ""),
        cause=frame_location(frame),
        subject=scaler,
        candidates=candidates(*_once(frame, statement, update)),
        confidence=9,
    )


def _once(frame: UserFrame, statement: ast.stmt, update: str) -> Iterator[Attempt]:
    """Yield the changes that leave one step, or one unscale_(), between two updates.

    While gradients accumulate, `unscale_` and the clipping after it belong to the step.
    """
    source, later = frame.source, _step_in_a_branch(frame, statement)
    if later is not None and frame.call is not None and called_name(frame.call) == "unscale_":
        block = source.block_of(statement)
        last = block[block.index(later) - 1]
        move = partial(edits.move, source, statement, later.body[0], after=False, until=last)
        yield 0, move
    elif frame.call is not None and called_name(frame.call) == "step":
        yield 0, partial(edits.insert_after, source, statement, update)


def _step_in_a_branch(frame: UserFrame, statement: ast.stmt) -> ast.If | None:
    """Return the `if` after a statement in which the scaler steps; None if there is none."""
    block = frame.source.block_of(statement)
    for later in block[block.index(statement) + 1 :]:
        if isinstance(later, ast.If) and ".step(" in frame.source.text_of(later):
            return later
    return None
