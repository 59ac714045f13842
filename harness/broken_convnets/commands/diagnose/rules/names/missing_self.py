"""What a method needs later is stored in `self`, and read from where it is."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.bindings import bindings
from broken_convnets.commands.diagnose.analysis.failures import frame_location
from broken_convnets.commands.diagnose.analysis.missing_attributes import missing_attribute
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.classes import ClassSource, FunctionNode
    from broken_convnets.commands.diagnose.analysis.missing_attributes import MissingAttribute
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate


@rule(
    "what later methods read from `self` is assigned to `self`",
    stays_quiet="if a method assigns the attribute, or if none has a variable of its name",
)
def assigned_without_self(evidence: Evidence) -> Iterator[Finding]:
    """Find `head = nn.Linear(...)` in a method of a class that reads `self.head`."""
    missing = missing_attribute(evidence)
    if any(missing.assignments()) or not _is_own(missing):
        return
    found = _local_assignment(missing)
    if found is None:
        return
    owner, method, statement = found
    where = f"{type(missing.owner).__name__}.{method.name}"
    yield Finding(
        kind=missing.kind,
        message=f"{where} assigns the variable `{missing.name}`, not `self.{missing.name}`",
        evidence=f"a variable is gone when {method.name}() returns, and `{missing.text}` reads an "
        "attribute of the object",
        cause=location_in(owner.source, statement),
        symptom=frame_location(missing.frame),
        subject=missing.name,
        module=missing.module,
        candidates=_stored(owner, method, statement, missing.name),
        confidence=10,
    )


@rule(
    "an argument that later methods read from `self` is stored by `__init__`",
    stays_quiet="if a method assigns the attribute, or if no method has a parameter of its name",
)
def argument_is_not_stored(evidence: Evidence) -> Iterator[Finding]:
    """Find `__init__(self, classes)` without `self.classes = classes`."""
    missing = missing_attribute(evidence)
    if any(missing.assignments()) or not _is_own(missing) or _local_assignment(missing):
        return
    found = next((m for m in missing.methods() if missing.name in _parameters(m[1])), None)
    if found is None or (found[1].name != "__init__" and found[1] is not missing.frame.function):
        return
    owner, method = found
    where = f"{type(missing.owner).__name__}.{method.name}"
    yield Finding(
        kind=missing.kind,
        message=f"{where} receives `{missing.name}` and does not store it in `self`",
        evidence=f"`{missing.text}` reads an attribute of the object, which nothing assigns",
        cause=location_in(owner.source, method),
        symptom=frame_location(missing.frame),
        subject=missing.name,
        module=missing.module,
        candidates=_stored_argument(missing, owner, method),
        confidence=10,
    )


def _is_own(missing: MissingAttribute) -> bool:
    """Return whether a method reads the attribute of its own object."""
    arguments = missing.frame.function.args.args if missing.frame.function else []
    return bool(arguments) and missing.frame.source.text_of(missing.node.value) == arguments[0].arg


def _parameters(method: FunctionNode) -> list[str]:
    arguments = [*method.args.args[1:], *method.args.kwonlyargs]
    return [argument.arg for argument in arguments]


def _local_assignment(
    missing: MissingAttribute,
) -> tuple[ClassSource, FunctionNode, ast.Assign] | None:
    """Return the last assignment of a variable of the name in a method that ran before."""
    for owner, method in missing.methods():
        for bound in reversed(list(bindings(method.body, missing.name))):
            statement = bound.statement
            plain = isinstance(statement, ast.Assign) and len(statement.targets) == 1
            if plain and isinstance(statement, ast.Assign) and bound.item is None:
                own = method is missing.frame.function
                early = statement.lineno < missing.node.lineno
                if (own and early) or (not own and _runs_first(missing, method)):
                    return owner, method, statement
    return None


def _runs_first(missing: MissingAttribute, method: FunctionNode) -> bool:
    """Return whether a method is the constructor, or one that the constructor calls."""
    if method.name == "__init__":
        return True
    constructors = (one for _, one in missing.methods() if one.name == "__init__")
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == method.name
        and isinstance(node.value, ast.Name)
        for constructor in constructors
        for node in ast.walk(constructor)
    )


def _stored(
    owner: ClassSource, method: FunctionNode, statement: ast.Assign, name: str
) -> tuple[Candidate, ...]:
    """Return the assignment to `self`, beside that of the variable where others read it."""
    own, target = method.args.args[0].arg, statement.targets[0]
    read = any(
        isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)
        for n in ast.walk(method)
    )
    both = partial(edits.insert_after, owner.source, statement, f"{own}.{name} = {name}")
    only = partial(edits.replace, owner.source, [(target, f"{own}.{name}")])
    return candidates((0, both)) if read else candidates((0, only))


def _stored_argument(
    missing: MissingAttribute, owner: ClassSource, method: FunctionNode
) -> tuple[Candidate, ...]:
    plain = partial(edits.replace, missing.source, [(missing.node, missing.name)])
    if method.name != "__init__":
        return candidates((0, plain))
    attempts = [(0, partial(_store_first, missing, owner, method))]
    if method is missing.frame.function:
        attempts.append((1, plain))
    return candidates(*attempts)


def _store_first(missing: MissingAttribute, owner: ClassSource, method: FunctionNode) -> Patch:
    """Store the argument after the call of the other constructor, or first."""
    own = method.args.args[0].arg
    line = f"{own}.{missing.name} = {missing.name}"
    for statement in method.body:
        if "super()" in owner.source.text_of(statement) or ".__init__(" in owner.source.text_of(
            statement
        ):
            return edits.insert_after(owner.source, statement, line)
    body = [s for s in method.body if not _is_docstring(s)] or method.body
    return edits.insert_before(owner.source, body[0], line)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
