"""A variable of a function has a value on every path that leads to its use."""

from __future__ import annotations

import ast
from collections.abc import Sized
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import OtherRun, rule
from broken_convnets.commands.diagnose.rules.names.unassigned_variables import UNBOUND
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence

Skipped = ast.If | ast.For | ast.While | ast.Try


def _unbound(evidence: Evidence) -> tuple[UserFrame, str]:
    """Return a local variable without a value; raises OtherRun for those that the file has too."""
    frame = require_failure(evidence, UnboundLocalError)
    match = UNBOUND.search(evidence.message)
    if match is None or frame.function is None or match[1] in frame.scope.world:
        reason = "no local variable lacks a value"
        raise OtherRun(reason)
    return frame, match[1]


@rule(
    "a sum or a counter starts with a value",
    stays_quiet="if the function assigns the variable anywhere else",
)
def sum_without_start(evidence: Evidence) -> Iterator[Finding]:
    """Find `correct += 1` in a loop, without `correct = 0` before it."""
    frame, name = _unbound(evidence)
    bindings = _bindings(frame, name)
    first = bindings[0] if bindings else None
    if not isinstance(first, ast.AugAssign) or not isinstance(first.op, ast.Add):
        return
    if not all(isinstance(one, ast.AugAssign) for one in bindings):
        return
    loops = frame.source.loops_around(first)
    before = loops[-1] if loops else first
    yield Finding(
        kind="other",
        message=f"`{name}` has no value when `{shortened(frame.source.text_of(first))}` reads it",
        evidence=f"no statement of {frame.function.name if frame.function else ''}() starts it"
        + (", before the loop or anywhere else" if loops else ""),
        cause=location_in(frame.source, first),
        symptom=frame_location(frame),
        subject=name,
        candidates=candidates(
            (0, partial(edits.insert_before, frame.source, before, f"{name} = 0"))
        ),
        confidence=10,
    )


@rule(
    "a variable has a value on every path to its use",
    stays_quiet="unless every assignment before the use is in a branch or a loop that did not run",
)
def assignment_did_not_run(evidence: Evidence) -> Iterator[Finding]:
    """Find a variable that only an `if`, a `try` or a loop assigns, and nothing else does."""
    frame, name = _unbound(evidence)
    earlier = [b for b in _bindings(frame, name) if b.lineno < frame.place.line]
    blocks = [_skipped_block(frame, binding) for binding in earlier]
    if not blocks or None in blocks or isinstance(earlier[0], ast.AugAssign):
        return
    block = blocks[0]
    why = _reason(frame, block) if block else ""
    if block is None or not why:
        return
    yield Finding(
        kind="other",
        message=f"`{name}` is only assigned {why}",
        evidence=f"line {earlier[0].lineno} did not run, and `{name}` has no other value",
        cause=location_in(frame.source, earlier[0] if isinstance(block, ast.Try) else block),
        symptom=frame_location(frame),
        subject=name,
        confidence=9,
    )


def _bindings(frame: UserFrame, name: str) -> list[ast.stmt]:
    """Return the statements of the function that assign a variable, in their order."""
    found = [
        frame.source.statement_of(node)
        for node in ast.walk(frame.function or ast.Pass())
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
    ]
    return sorted((one for one in found if one is not None), key=lambda one: one.lineno)


def _skipped_block(frame: UserFrame, binding: ast.stmt) -> Skipped | None:
    """Return the block around an assignment that did not run; None if there is none.

    It is the outermost one that the failing statement is not in, loops that have run aside.
    """
    use = frame.statement
    around = {id(one) for one in frame.source.ancestors(use)} if use else set()
    inside = [binding, *frame.source.ancestors(binding)]
    blocks = [one for one in inside if isinstance(one, Skipped)]
    outer = [one for one in blocks if id(one) not in around and one is not use]
    return next((one for one in reversed(outer) if not _has_run(frame, one)), None)


def _has_run(frame: UserFrame, block: Skipped) -> bool:
    """Return whether a loop had an item: its variables have values."""
    names = ast.walk(block.target) if isinstance(block, ast.For) else ()
    return any(isinstance(one, ast.Name) and one.id in frame.scope.local for one in names)


def _reason(frame: UserFrame, block: Skipped) -> str:
    text = frame.source.text_of
    if isinstance(block, ast.If):
        return f"if `{shortened(text(block.test))}`, which was not so"
    if isinstance(block, ast.Try):
        return "in a `try` that raised before, and whose handler goes on"
    if isinstance(block, ast.While):
        return f"while `{shortened(text(block.test))}`, which was never so"
    values = frame.value(block.iter)
    empty = isinstance(values, Sized) and not len(values)
    count = ", which is empty" if empty else ", which had no item"
    return f"in the loop over `{shortened(text(block.iter))}`{count}"
