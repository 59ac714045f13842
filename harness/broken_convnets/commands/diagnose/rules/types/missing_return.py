"""A function whose result is used returns it on every path."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.culprits import NONE, output_text
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.analysis.missing_layers import missing_layer
from broken_convnets.commands.diagnose.analysis.origins import parameter
from broken_convnets.commands.diagnose.analysis.returns import (
    Callee,
    callee,
    callee_of,
    ends_without_return,
    source_of_none,
)
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate

# Last statements of a function that returns something on one of its paths only.
CONDITIONAL = (ast.If, ast.Match, ast.Try, ast.For, ast.While, ast.Return)
# Methods of nn.Module that return the module.
RETURN_SELF = ("train", "eval", "to", "cuda", "cpu", "float", "half", "double", "apply")


@rule(
    "a function whose result is used returns a value on every path",
    stays_quiet="about functions of libraries, and if no function of the program can return None",
)
def missing_return(evidence: Evidence) -> Iterator[Finding]:
    """Find the function that returned the None that a later expression cannot use."""
    frame = require_failure(evidence)
    used, found = (
        _from_expression(evidence)
        or _from_layers(evidence)
        or _from_container(evidence)
        or ("", None)
    )
    if found is None:
        return
    last = _last_statement(found.function)
    conditional = bool(found.returned) and isinstance(last, CONDITIONAL)
    yield Finding(
        kind=_kind(found, conditional=conditional),
        message=f"{found.name}() {_how(found, conditional=conditional)}",
        evidence=f"{used} is therefore None; the last line of {found.function.name} is "
        f"`{_first_line(found, last)}`",
        cause=Location(found.source.path, last.end_lineno or last.lineno),
        symptom=frame_location(frame),
        subject=found.name,
        module=type(found.owner).__name__ if isinstance(found.owner, nn.Module) else "",
        cases=("none/conditional_return" if conditional else "none/missing_return",),
        candidates=_candidates(found),
        confidence=10,
    )


def _kind(found: Callee, *, conditional: bool) -> str:
    if found.function.name in RETURN_SELF and isinstance(found.owner, nn.Module):
        return "none/inplace_method_returns_none"
    return "none/forward_conditional_return" if conditional else "none/forward_missing_return"


def _how(found: Callee, *, conditional: bool) -> str:
    if not conditional:
        return "ends without a return"
    if len(found.returned) < len(found.returns):
        return "returns None on one path"
    return "ends without a return on one path"


def _first_line(found: Callee, statement: ast.stmt) -> str:
    return found.source.text_of(statement).split("\n")[0]


def _from_expression(evidence: Evidence) -> tuple[str, Callee] | None:
    """Return what is None in the failing expression, and the function that returned it."""
    for one in evidence.culprits:
        if one.type != NONE or one.origin.item is not None or one.origin.looped:
            continue
        call = one.origin.node
        called = callee_of(evidence, call, one.origin.scope) if isinstance(call, ast.Call) else None
        found = source_of_none(evidence, called) if called else None
        if found is not None:
            return f"`{one.text}`", found
    return None


def _from_layers(evidence: Evidence) -> tuple[str, Callee] | None:
    """Return the first layer that returned None, where no expression shows it.

    An expression shows only a parameter if a container such as nn.Sequential called the function.
    """
    known = (one for one in evidence.culprits if one.type == NONE)
    if "None" not in evidence.message or not all(parameter(one.origin) for one in known):
        return None
    running = evidence.record.last_pass
    for call in sorted(running.calls if running else (), key=lambda one: one.returned or 0):
        module = call.module()
        if call.output != "None" or module is None or output_text(evidence, module) != "None":
            continue
        called = callee(evidence, module)
        found = source_of_none(evidence, called) if called else None
        if found is not None:
            return f"the output of {call.path or call.type}", found
    return None


def _from_container(evidence: Evidence) -> tuple[str, Callee] | None:
    """Return the layer of a container that is None, where a loop over its layers calls None."""
    return missing_layer(evidence) if "NoneType" in evidence.message else None


def _last_statement(function: ast.FunctionDef) -> ast.stmt:
    """Return where execution leaves the function without a value."""
    for node in ast.walk(function):
        empty = isinstance(node, ast.Return) and (
            node.value is None or isinstance(node.value, ast.Constant)
        )
        if empty and isinstance(node, ast.Return):
            return node
    return function.body[-1]


def _candidates(found: Callee) -> tuple[Candidate, ...]:
    """Return the ways to return what the function has computed last."""
    last = _last_statement(found.function)
    attempts: list[tuple[int, Callable[[], Patch]]] = []
    if found.function.name in RETURN_SELF and isinstance(found.owner, nn.Module):
        attempts.append((0, _insert(found, last, "self")))
    attempts += _return_of(found, last)
    for statement in _dead_ends(found.function.body):
        if statement is not last:
            attempts += _return_of(found, statement)
    names = _names(found)
    attempts += [(rank + 1, _insert(found, last, name)) for rank, name in enumerate(names[:3])]
    return candidates(*attempts)


def _return_of(found: Callee, last: ast.stmt) -> list[tuple[int, Callable[[], Patch]]]:
    """Return the changes that return what a last statement computes."""
    if isinstance(last, ast.Return):
        names = _names(found)
        return [(0, _replace(found, last, f"return {name}")) for name in names[:1]]
    if isinstance(last, ast.Expr) and not _is_for_effect(last):
        return [(0, _replace(found, last, f"return {found.source.text_of(last.value)}"))]
    name = _assigned(last)
    return [(0, _insert(found, last, name))] if name else []


def _replace(found: Callee, statement: ast.stmt, text: str) -> Callable[[], Patch]:
    return lambda: edits.replace(found.source, [(statement, text)])


def _insert(found: Callee, statement: ast.stmt, name: str) -> Callable[[], Patch]:
    return lambda: edits.insert_after(found.source, statement, f"return {name}")


def _dead_ends(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the last statements of the branches of a block that end without a return."""
    last = body[-1]
    branches = [last.body, last.orelse] if isinstance(last, ast.If) else []
    for branch in branches:
        if branch and ends_without_return(branch):
            yield branch[-1]
            yield from _dead_ends(branch)


def _is_for_effect(statement: ast.Expr) -> bool:
    """Return whether an expression is a docstring, or a call such as print()."""
    value = statement.value
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id in {"print", "setattr"}
    return isinstance(value, ast.Constant)


def _assigned(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
        return target.id if isinstance(target, ast.Name) else ""
    return ""


def _names(found: Callee) -> list[str]:
    """Return the names that the function may mean to return, the one assigned last first.

    After a conditional, names that only one of its branches assigns are left out.
    """
    assigned = [
        (statement.lineno, _assigned(statement))
        for statement in ast.walk(found.function)
        if isinstance(statement, ast.stmt) and _assigned(statement)
    ]
    arguments = [a.arg for a in found.function.args.args if a.arg not in {"self", "cls"}]
    names = [name for _, name in sorted(assigned, reverse=True)] + arguments[:1]
    return list(dict.fromkeys(names))
