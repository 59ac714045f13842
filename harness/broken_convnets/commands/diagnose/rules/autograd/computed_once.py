"""What is computed once before a loop has a graph that the first backward pass frees."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.bindings import bindings
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.autograd.carried import (
    carried_attributes,
    carried_names,
    has_graph,
)
from broken_convnets.commands.diagnose.rules.autograd.second_backward import KIND, both_passes
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.analysis.bindings import Binding
    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence

Loop = ast.For | ast.While


@rule(
    "a loop computes anew what its backward passes go through",
    stays_quiet="if a value is carried from one iteration to the next",
)
def graph_from_before_loop(evidence: Evidence) -> Iterator[Finding]:
    """Find a variable with a graph that is assigned before a loop and used in its losses."""
    raised = require_failure(evidence, RuntimeError)
    both = both_passes(evidence)
    if both is None or both[0].places[:1] != both[1].places[:1]:
        return
    if any(root in both[0].roots for root in both[1].roots):
        return
    if any((*carried_names(evidence), *carried_attributes(evidence))):
        return
    for frame in evidence.frames:
        for name, made, loop in _computed_before(frame):
            text = frame.source.text_of(made.value)
            yield Finding(
                kind=KIND,
                message=f"`{name}` is computed once, and each backward pass of the loop goes "
                "through its graph",
                evidence=f"the first backward pass has freed the graph of `{text}`; the loop "
                f"begins at line {loop.lineno}",
                cause=location_in(frame.source, made.statement),
                symptom=frame_location(raised),
                subject=name,
                cases=("training/backward_twice",),
                candidates=candidates((0, _moved(frame, made, loop, name))),
                confidence=9,
            )
            return


def _computed_before(frame: UserFrame) -> Iterator[tuple[str, Binding, Loop]]:
    """Yield the variables with a graph that a loop around the frame reads and never assigns."""
    loops = frame.source.loops_around(frame.statement) if frame.statement else []
    body = frame.function.body if frame.function else frame.source.tree.body
    for loop in loops:
        read = {node.id for node in ast.walk(loop) if isinstance(node, ast.Name)}
        for name, value in frame.scope.local.items():
            made = [one for one in bindings(body, name) if one.statement.lineno < loop.lineno]
            inside = any(bindings([loop], name))
            if name in read and has_graph(value) and made and not inside:
                yield name, made[-1], loop


def _moved(frame: UserFrame, made: Binding, loop: Loop, name: str) -> Callable[[], Patch]:
    """Return the change that computes a variable in each iteration, if its body alone reads it."""
    header = loop.iter if isinstance(loop, ast.For) else loop.test
    if any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(header)):
        return _impossible
    return partial(edits.move, frame.source, made.statement, loop.body[0], after=False)


def _impossible() -> Patch:
    message = "the loop itself reads the variable"
    raise edits.EditError(message)
