"""Variables of a function are assigned before they are read."""

from __future__ import annotations

import ast
import re
from functools import partial
from types import ModuleType
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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence

UNBOUND = re.compile(r"local variable '(\w+)'")


@rule(
    "a function that assigns a global variable declares it `global`",
    stays_quiet="if the file has no such variable outside of functions",
)
def global_is_not_declared(evidence: Evidence) -> Iterator[Finding]:
    """Find `steps += 1` in a function, where `steps` is a variable of the file."""
    frame = require_failure(evidence, UnboundLocalError)
    match, function = UNBOUND.search(evidence.message), frame.function
    if match is None or function is None or match[1] not in frame.scope.world:
        return
    statement = _first_assignment(frame, match[1])
    if statement is None or isinstance(frame.scope.world[match[1]], ModuleType):
        return
    first = next((s for s in function.body if not _is_docstring(s)), function.body[0])
    declare = partial(edits.insert_before, frame.source, first, f"global {match[1]}")
    yield Finding(
        kind="other",
        message=f"`{shortened(frame.source.text_of(statement))}` makes `{match[1]}` a variable of "
        f"{function.name}()",
        evidence=f"so {function.name}() does not read the variable `{match[1]}` of the file, and "
        "its own has no value yet",
        cause=location_in(frame.source, statement),
        symptom=frame_location(frame),
        subject=match[1],
        candidates=candidates((0, declare)),
        confidence=10,
    )


def _first_assignment(frame: UserFrame, name: str) -> ast.stmt | None:
    """Return the first statement of the function that assigns a variable."""
    for node in ast.walk(frame.function or ast.Pass()):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AugAssign):
            targets = [node.target]
        if any(isinstance(t, ast.Name) and t.id == name for t in targets):
            return node if isinstance(node, ast.stmt) else None
    return None


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
