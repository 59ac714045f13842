"""Names are imported, defined or assigned before they are used."""

from __future__ import annotations

import ast
import builtins
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn import functional

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.imports import (
    customary_import,
    is_installed,
    with_import,
)
from broken_convnets.commands.diagnose.analysis.near_names import misspelled, nearest
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import OtherRun, rule
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence

UNDEFINED = re.compile(r"name '(\w+)' is not defined")
DEFINITIONS = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)


def undefined_name(evidence: Evidence) -> tuple[UserFrame, ast.Name]:
    """Return the name that a NameError is about; raises OtherRun for other failures."""
    frame = require_failure(evidence, NameError)
    match, node = UNDEFINED.search(evidence.message), frame.expression
    node = node.func if isinstance(node, ast.Call) else node
    if match is None or not isinstance(node, ast.Name) or node.id != match[1]:
        reason = "no name of the program is undefined"
        raise OtherRun(reason)
    return frame, node


def undefined_finding(frame: UserFrame, node: ast.Name, **facts: Any) -> Finding:
    """Return a finding whose cause is the line with the name, unless `facts` says otherwise."""
    usual: dict[str, Any] = {"kind": "other", "cause": frame_location(frame), "confidence": 10}
    return Finding(subject=node.id, **(usual | facts))


def owner_of_method(frame: UserFrame) -> tuple[str, object]:
    """Return the name of a method's first parameter, and the object; ("", None) outside of one."""
    arguments = frame.function.args.args if frame.function else []
    if not arguments or not frame.source.class_of(frame.function or ast.Pass()):
        return "", None
    return arguments[0].arg, frame.scope.local.get(arguments[0].arg)


def uses(frame: UserFrame, name: str) -> list[ast.Name]:
    """Return where the function of a frame, or the whole file outside of one, has a name."""
    every = ast.walk(frame.function or frame.source.tree)
    return [one for one in every if isinstance(one, ast.Name) and one.id == name]


def renamed(frame: UserFrame, name: str, text: str) -> partial[Any]:
    """Return the change that replaces each use of a name."""
    changes = [(one, text) for one in uses(frame, name)]
    return partial(edits.replace, frame.source, changes)


@rule(
    "a library is imported where its customary name is used",
    stays_quiet="about names that no customary import binds, that the file assigns or imports, or "
    "whose library is not installed",
)
def import_is_missing(evidence: Evidence) -> Iterator[Finding]:
    """Find `F.relu` without `from torch.nn import functional as F`, and the like."""
    frame, node = undefined_name(evidence)
    statement = customary_import(node.id)
    if not statement or not is_installed(statement) or _later_definition(frame, node.id):
        return
    yield undefined_finding(
        frame,
        node,
        message=f"`{node.id}` is used, and the file does not import it",
        evidence=f"programs that use this name have `{statement}`",
        candidates=candidates((0, partial(with_import, frame.source, statement))),
    )


@rule(
    "attributes and methods of an object are read with `self.`",
    stays_quiet="outside of methods, and if the object has no such attribute",
)
def self_is_missing(evidence: Evidence) -> Iterator[Finding]:
    """Find `conv(x)` in a method of an object that has `conv`."""
    frame, node = undefined_name(evidence)
    own, owner = owner_of_method(frame)
    if owner is None or not hasattr(owner, node.id):
        return
    kind = type(owner)
    yield undefined_finding(
        frame,
        node,
        kind="module" if issubclass(kind, nn.Module) else "other",
        message=f"`{node.id}` is an attribute of {kind.__name__}, and is read without `{own}.`",
        evidence=f"no variable has this name; `{own}.{node.id}` is of type "
        f"{type(getattr(owner, node.id)).__name__}",
        candidates=candidates((0, renamed(frame, node.id, f"{own}.{node.id}"))),
    )


@rule(
    "layers and functions of torch are read from the module that has them",
    stays_quiet="if the name is none of a layer or a function, or is defined in the file",
)
def torch_name_without_module(evidence: Evidence) -> Iterator[Finding]:
    """Find `Conv2d(...)` where only `nn` is imported."""
    frame, node = undefined_name(evidence)
    world = frame.scope.world
    known = {id(nn): nn, id(functional): functional, id(world.get("torch")): world.get("torch")}
    prefixes = [
        name
        for name, value in world.items()
        if id(value) in known and hasattr(known[id(value)], node.id) and not name.startswith("_")
    ]
    called = isinstance(frame.source.parent(node), ast.Call)
    if not prefixes or not called or customary_import(node.id) or _later_definition(frame, node.id):
        return
    attempts = [
        (rank, renamed(frame, node.id, f"{prefix}.{node.id}"))
        for rank, prefix in enumerate(prefixes)
    ]
    yield undefined_finding(
        frame,
        node,
        message=f"`{node.id}` is a name of `{prefixes[0]}`, and is read without it",
        evidence=f"the file imports `{prefixes[0]}`, not `{node.id}`",
        candidates=candidates(*attempts),
    )


@rule(
    "a name is spelled as where it is defined",
    stays_quiet="if no name in scope is near, or several are",
)
def misspelled_name(evidence: Evidence) -> Iterator[Finding]:
    """Find `optimzer.step()` of a variable `optimizer`."""
    frame, node = undefined_name(evidence)
    meant = meant_name(frame, node.id)
    if not meant or _later_definition(frame, node.id) or customary_import(node.id):
        return
    yield undefined_finding(
        frame,
        node,
        message=f"`{node.id}` is not defined; `{meant}` is",
        evidence=f"`{meant}` is of type {type(frame.scope.lookup(meant)).__name__}",
        candidates=candidates((0, renamed(frame, node.id, meant))),
        confidence=8,
    )


def meant_name(frame: UserFrame, name: str) -> str:
    """Return the one name in scope that is near another; empty if there is none."""
    names = [one for one in (*frame.scope.local, *frame.scope.world) if not one.startswith("_")]
    near = misspelled(name, dir(builtins))
    return nearest(name, names) or (near[0] if len(near) == 1 else "")


@rule(
    "a function, a class or a variable is defined before it is used",
    stays_quiet="if the file does not define the name outside of functions",
)
def name_defined_later(evidence: Evidence) -> Iterator[Finding]:
    """Find uses of what the file defines further down, or only if it is run as a script."""
    frame, node = undefined_name(evidence)
    later = _later_definition(frame, node.id)
    use = _statement_of_file(evidence, frame)
    if later is None or use is None:
        return
    source, own = frame.source, later in frame.source.tree.body
    moved = own and later.lineno > use.lineno
    where = "only under a condition" if not own else "further down"
    change = partial(edits.move, source, later, use, after=False)
    yield undefined_finding(
        frame,
        node,
        message=f"`{node.id}` is used at line {frame.place.line}, and line {later.lineno} defines "
        f"it {where}",
        evidence=f"`{shortened(source.text_of(later).split(chr(10))[0])}` has not run by then",
        cause=location_in(source, use) if moved else frame_location(frame),
        symptom=frame_location(frame),
        candidates=candidates((0, change)) if moved else (),
    )


def _later_definition(frame: UserFrame, name: str) -> ast.stmt | None:
    """Return the statement of the file, outside of functions, that defines a name."""
    for statement in frame.source.statements:
        if frame.source.function_of(statement) or frame.source.class_of(statement):
            continue
        if isinstance(statement, DEFINITIONS) and statement.name == name:
            return statement
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if any(isinstance(t, ast.Name) and t.id == name for t in targets):
            return statement
    return None


def _statement_of_file(evidence: Evidence, frame: UserFrame) -> ast.stmt | None:
    """Return the outermost statement of the file that was running."""
    lines = [f.place.line for f in evidence.frames if f.source is frame.source]
    for statement in frame.source.tree.body:
        if lines and statement.lineno <= lines[-1] <= (statement.end_lineno or statement.lineno):
            return statement
    return None
