"""Attributes are assigned before they are read, and on every path."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.classes import nn_name
from broken_convnets.commands.diagnose.analysis.failures import frame_location, shortened
from broken_convnets.commands.diagnose.analysis.missing_attributes import missing_attribute
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.modules.initialization import INIT
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.missing_attributes import MissingAttribute
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source

BRANCHES = (ast.If, ast.For, ast.While, ast.Try)


@rule(
    "`__init__` assigns an attribute before it uses it",
    stays_quiet="about attributes that `__init__` assigns in a branch or in another method",
)
def attribute_used_too_early(evidence: Evidence) -> Iterator[Finding]:
    """Find `__init__` that reads, or calls a method that reads, what a later line assigns."""
    missing = missing_attribute(evidence)
    found = _later_assignment(evidence, missing)
    if found is None:
        return
    source, early, later = found
    yield Finding(
        kind=missing.kind,
        message=f"`{shortened(source.text_of(early))}` needs `self.{missing.name}`, which line "
        f"{later.lineno} assigns later",
        evidence=f"`{shortened(source.text_of(later))}` has not run when `{missing.text}` is read",
        cause=location_in(source, early),
        symptom=frame_location(missing.frame),
        subject=missing.name,
        module=missing.module,
        candidates=candidates(
            (0, partial(edits.move, source, later, early, after=False)),
            (1, partial(edits.move, source, early, later, after=True)),
        ),
        confidence=10,
    )


def _later_assignment(
    evidence: Evidence, missing: MissingAttribute
) -> tuple[Source, ast.stmt, ast.stmt] | None:
    """Return the statement of `__init__` that runs too early, and the assignment after it."""
    for frame in evidence.frames:
        function = frame.function
        own = function.args.args[0].arg if function and function.args.args else ""
        if function is None or function.name != "__init__":
            continue
        if frame.scope.local.get(own) is not missing.owner:
            continue
        at = frame.place.line
        early = [s for s in function.body if s.lineno <= at <= (s.end_lineno or s.lineno)]
        assigned = [s for _, s in missing.assignments()]
        later = [s for s in function.body if s in assigned and s.lineno > at]
        if early and later:
            return frame.source, early[0], later[0]
    return None


@rule(
    "an attribute is assigned on every path that leads to its use",
    stays_quiet="about attributes that the constructor assigns unconditionally",
)
def attribute_assigned_elsewhere(evidence: Evidence) -> Iterator[Finding]:
    """Find attributes that a branch that was not taken assigns, or a method that did not run."""
    missing = missing_attribute(evidence)
    found = list(missing.assignments())
    if not found or _later_assignment(evidence, missing) is not None:
        return
    owner, statement = found[0]
    source = owner.source
    method = source.function_of(statement)
    if method is None or method is missing.frame.function:
        return
    branch = source.enclosing(statement, BRANCHES)
    branch = branch if branch is not None and branch in list(ast.walk(method)) else None
    if method.name == "__init__" and branch is None:
        return
    if method.name != "__init__" and INIT.match(method.name):
        return  # a misspelled constructor
    inside = branch is not None and method.name == "__init__"
    cause = branch if inside and branch is not None else None
    yield Finding(
        kind=missing.kind,
        message=_message(missing, source, cause, method.name),
        evidence=f"`{shortened(source.text_of(statement))}` at line {statement.lineno} is its only "
        "assignment"
        if len(found) == 1
        else f"{len(found)} lines assign it, the first is {statement.lineno}",
        cause=location_in(source, cause) if cause else frame_location(missing.frame),
        symptom=frame_location(missing.frame),
        subject=missing.name,
        module=missing.module,
        candidates=_else_identity(missing, source, cause, statement)
        if cause
        else _called_first(missing, method),
        confidence=9,
    )


def _message(
    missing: MissingAttribute, source: Source, branch: ast.stmt | None, method: str
) -> str:
    name = f"{type(missing.owner).__name__}.{missing.name}"
    if branch is None:
        return f"{name} is assigned by {method}(), which has not run for this object"
    header = shortened(source.text_of(branch).split("\n")[0])
    return f"{name} is assigned only in `{header}`, which did not lead there"


def _else_identity(
    missing: MissingAttribute, source: Source, branch: ast.stmt, statement: ast.stmt
) -> tuple[Candidate, ...]:
    """Return the branch that assigns nn.Identity() instead, for a layer that is called."""
    called = isinstance(missing.source.parent(missing.node), ast.Call)
    plain = isinstance(branch, ast.If) and not branch.orelse and statement in branch.body
    if not called or not plain or not missing.module or not isinstance(statement, ast.Assign):
        return ()
    target = source.text_of(statement.targets[0])
    lines = ("else:", f"    {target} = {nn_name(source)}.Identity()")
    return candidates((0, partial(edits.insert_after, source, branch, *lines)))


def _called_first(
    missing: MissingAttribute, method: ast.FunctionDef | ast.AsyncFunctionDef
) -> tuple[Candidate, ...]:
    """Return the call of the method before the statement that needs it."""
    arguments = method.args
    needed = len(arguments.args) - 1 - len(arguments.defaults)
    statement, owner = missing.frame.statement, missing.source.text_of(missing.node.value)
    if needed > 0 or statement is None or method.name.startswith("__"):
        return ()
    line = f"{owner}.{method.name}()"
    return candidates((1, partial(edits.insert_before, missing.source, statement, line)))
