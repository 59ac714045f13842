"""What a hook or a method fills in is filled in before it is used."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.culprits import NONE
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source

HOOKS = "hook"  # part of the name of every method that registers one


@rule(
    "what a hook or a method fills in is filled in before it is used",
    stays_quiet="if nothing in the file assigns another value to it",
)
def never_filled_in(evidence: Evidence) -> Iterator[Finding]:
    """Find attributes and dictionary items that a hook or a method should have set."""
    frame = require_failure(evidence, AttributeError, TypeError, KeyError, IndexError)
    for text, node in _empty(evidence, frame):
        setter = _setter(frame.source, node)
        if setter is None:
            continue
        hook = _is_registered(frame.source, setter.name)
        skipped = _direct_forwards(frame.source) if hook else []
        where = skipped[0] if skipped else None
        yield Finding(
            kind="none/hook_never_fired" if hook else "none/non_tensor_input",
            message=f"`{text}` is still empty: {setter.name}() never ran",
            evidence=_explained(frame.source, setter, where)
            if hook
            else f"only {setter.name}() "
            f"sets it, at line {setter.lineno}, and it was not called before",
            cause=location_in(frame.source, where) if where else frame_location(frame),
            symptom=frame_location(frame),
            subject=text,
            cases=("none/forward_hook_never_called",) if hook else (),
            candidates=_called_instead(frame.source, skipped),
            confidence=9,
        )
        return


def _explained(source: Source, setter: ast.FunctionDef, where: ast.Call | None) -> str:
    if where is not None:
        return (
            f"it is registered as a hook, and `{source.text_of(where)}` at line {where.lineno} "
            "skips hooks: call the layer itself"
        )
    return (
        f"{setter.name}() is registered as a hook (line {setter.lineno}), but the layer with the "
        "hook was not called in this forward pass"
    )


def _empty(evidence: Evidence, frame: UserFrame) -> Iterator[tuple[str, ast.expr]]:
    """Yield what is empty: an attribute or name that is None, or a collection without the key."""
    for one in evidence.culprits:
        constant = isinstance(one.origin.node, ast.Constant) and one.origin.node.value is None
        if one.type == NONE and constant and not one.called and not one.origin.default:
            yield one.text, one.node
    node = frame.expression
    if isinstance(evidence.error, KeyError | IndexError) and isinstance(node, ast.Subscript):
        value = frame.value(node.value)
        if isinstance(value, dict | list) and not value:
            yield frame.source.text_of(node.value), node.value


def _setter(source: Source, node: ast.expr) -> ast.FunctionDef | None:
    """Return the function, other than __init__, that sets or fills what `node` names."""
    text = source.text_of(node)
    own = source.function_of(node)
    for change in source.nodes:
        function = source.function_of(change) if _changes(source, change, text) else None
        other = isinstance(function, ast.FunctionDef) and function is not own
        if other and isinstance(function, ast.FunctionDef) and function.name != "__init__":
            return function
    return None


def _changes(source: Source, node: ast.AST, text: str) -> bool:
    """Return whether a statement assigns to, assigns an item of, or appends to an expression."""
    last = text.rpartition(".")[2]
    if isinstance(node, ast.Assign):
        if isinstance(node.value, ast.Constant) and node.value.value is None:
            return False
        targets = [t.value if isinstance(t, ast.Subscript) else t for t in node.targets]
        return any(source.text_of(t).rpartition(".")[2] == last for t in targets)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        owner = source.text_of(node.func.value).rpartition(".")[2]
        return node.func.attr in {"append", "update"} and owner == last
    return False


def _is_registered(source: Source, name: str) -> bool:
    """Return whether a function, or the one that it is defined in, is registered as a hook."""
    calls = [n for n in source.expressions if isinstance(n, ast.Call) and HOOKS in called_name(n)]
    if any(name in _names(argument) for call in calls for argument in call.args):
        return True
    return any(
        isinstance(outer, ast.FunctionDef)
        and outer.name != name
        and _is_registered(source, outer.name)
        for function in source.nodes
        if isinstance(function, ast.FunctionDef) and function.name == name
        for outer in source.ancestors(function)
    )


def _names(node: ast.expr) -> set[str]:
    inside = list(ast.walk(node))
    names = {n.id for n in inside if isinstance(n, ast.Name)}
    return names | {n.attr for n in inside if isinstance(n, ast.Attribute)}


def _direct_forwards(source: Source) -> list[ast.Call]:
    """Return the calls of `forward` of something else than `super()`."""
    found = [n for n in source.expressions if isinstance(n, ast.Call)]
    return [
        call
        for call in found
        if isinstance(call.func, ast.Attribute)
        and call.func.attr == "forward"
        and not isinstance(call.func.value, ast.Call)
    ]


def _called_instead(source: Source, skipped: list[ast.Call]) -> tuple[Candidate, ...]:
    changes = [
        (call.func, source.text_of(call.func.value))
        for call in skipped
        if isinstance(call.func, ast.Attribute)
    ]
    if not changes:
        return ()
    return candidates((0, partial(edits.replace, source, changes)))
