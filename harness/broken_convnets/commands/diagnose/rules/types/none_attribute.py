"""What is optional is checked before it is used."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.bindings import bindings
from broken_convnets.commands.diagnose.analysis.culprits import NONE, Culprit
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    origin_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.returns import Callee, callee_of
from broken_convnets.commands.diagnose.analysis.user_frames import value_of
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.origins import Origin
    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate


@rule(
    "a layer that may be None is checked before it is called",
    stays_quiet="about None that a function returned",
)
def optional_layer_called(evidence: Evidence) -> Iterator[Finding]:
    """Find calls of a layer that was set to None on purpose."""
    frame = require_failure(evidence, TypeError)
    for one in evidence.culprits:
        if one.type != NONE or not one.called or not _is_set_to_none(one.origin):
            continue
        call = frame.call
        text = one.origin.source.text_of(one.origin.node)
        yield Finding(
            kind="none/optional_layer_none",
            message=f"`{one.text}` is None here and is called anyway",
            evidence=f"it was set at line {one.origin.node.lineno}, to `{shortened(text)}`; call "
            "it only if it is not None, or use nn.Identity()",
            cause=frame_location(frame),
            subject=one.text,
            cases=("none/optional_layer_is_none",),
            candidates=_guards(frame, call, one) if call else (),
            confidence=9,
        )
        return


def _is_set_to_none(origin: Origin) -> bool:
    """Return whether an expression is the constant None, or None in one of its branches."""
    node = origin.node
    if isinstance(node, ast.IfExp):
        return any(_is_none(branch) for branch in (node.body, node.orelse))
    return _is_none(node)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _guards(frame: UserFrame, call: ast.Call, one: Culprit) -> tuple[Candidate, ...]:
    source, origin = frame.source, one.origin
    attempts: list[tuple[int, Callable[[], Patch]]] = []
    if call.args:
        first, whole = source.text_of(call.args[0]), source.text_of(call)
        guarded = f"{first} if {one.text} is None else {whole}"
        plain = isinstance(source.parent(call), ast.Assign | ast.Return)
        text = guarded if plain else f"({guarded})"
        attempts.append((0, lambda: edits.replace(source, [(call, text)])))
    node = origin.node
    branch = (
        next((b for b in (node.body, node.orelse) if _is_none(b)), node)
        if isinstance(node, ast.IfExp)
        else node
    )
    attempts.append((1, lambda: edits.replace(origin.source, [(branch, "nn.Identity()")])))
    return candidates(*attempts)


@rule(
    "an optional output is checked before it is used",
    stays_quiet="about outputs that are not None by the syntax of the function",
)
def optional_output_used(evidence: Evidence) -> Iterator[Finding]:
    """Find the None among several outputs of a function of the program."""
    frame = require_failure(evidence)
    for one in evidence.culprits:
        call = one.origin.node
        if one.type != NONE or one.origin.item is None or not isinstance(call, ast.Call):
            continue
        called = callee_of(evidence, call, one.origin.scope)
        part = _returned_part(called, one.origin.item) if called else None
        if called is None or part is None:
            continue
        yield Finding(
            kind="none/aux_output_tuple",
            message=f"output {one.origin.item + 1} of {called.name}() is None here",
            evidence=f"`{one.text}` comes from `{shortened(called.source.text_of(part))}` at "
            f"line {part.lineno}; it is used without a check",
            cause=frame_location(frame),
            symptom=origin_location(one.origin),
            subject=one.text,
            cases=("none/side_output_is_none",),
            candidates=_only_if_set(frame, one),
            confidence=9,
        )
        return


def _returned_part(called: Callee, item: int) -> ast.expr | None:
    """Return the expression of one output of a function that may be None."""
    for statement in called.returned:
        value = statement.value
        if not isinstance(value, ast.Tuple) or item >= len(value.elts):
            continue
        part = value.elts[item]
        if isinstance(part, ast.Name):
            found = [b.value for b in bindings(called.function.body, part.id)]
            part = next((v for v in found if _is_set_to_none_here(v)), part)
        if _is_set_to_none_here(part) or _is_none_now(called, part):
            return part
    return None


def _is_set_to_none_here(node: ast.expr) -> bool:
    branches = (node.body, node.orelse) if isinstance(node, ast.IfExp) else (node,)
    return any(map(_is_none, branches))


def _is_none_now(called: Callee, node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and value_of(node, called.scope) is None


def _only_if_set(frame: UserFrame, one: Culprit) -> tuple[Candidate, ...]:
    statement = frame.statement
    if statement is None:
        return ()
    header = f"if {one.text} is not None:"
    return candidates((0, lambda: edits.wrap(frame.source, statement, header)))
