"""`state_dict()` returns a new dictionary each time: what is put into it reaches no network."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location_in,
    require_success,
)
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source


@rule(
    "weights are loaded by load_state_dict(), not by a change of what state_dict() returns",
    stays_quiet="unless a statement updates the dictionary, or one of its items, in the expression "
    "that asks a module or optimizer for it; about classes with a state_dict() of their own",
)
def state_dict_changed_in_place(evidence: Evidence) -> Iterator[Finding]:
    """Find `net.state_dict().update(weights)` and `net.state_dict()[name] = weight`."""
    require_success(evidence)
    if any(_defines_state(source) for source in evidence.user_sources):
        return
    for source in evidence.user_sources:
        for statement in source.statements:
            asked = _changed(statement)
            if asked is None:
                continue
            yield Finding(
                kind="state/state_dict_mismatch",
                message="weights are put into a dictionary that state_dict() made, and reach no "
                "parameter",
                evidence=f"`{source.text_of(asked)}` returns a new dictionary at each call; "
                f"`{source.text_of(statement)}` changes it, and the dictionary is dropped",
                cause=location_in(source, statement),
                subject=source.text_of(statement),
                candidates=_loaded(source, statement, asked),
                confidence=8,
            )


def _defines_state(source: Source) -> bool:
    return any(isinstance(n, ast.FunctionDef) and n.name == "state_dict" for n in source.nodes)


def _changed(statement: ast.stmt) -> ast.Call | None:
    """Return the call of state_dict() whose result a statement changes and drops."""
    found: ast.expr | None = None
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        found = statement.targets[0].value
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        function = statement.value.func
        if isinstance(function, ast.Attribute) and function.attr == "update":
            found = function.value
    own = isinstance(found, ast.Call) and isinstance(found.func, ast.Attribute) and not found.args
    return found if isinstance(found, ast.Call) and own and _is_state(found) else None


def _is_state(call: ast.Call) -> bool:
    return called_name(call) == "state_dict"


def _loaded(source: Source, statement: ast.stmt, asked: ast.Call) -> tuple[Candidate, ...]:
    """Return the change of `net.state_dict().update(weights)` to load_state_dict(weights)."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call) or len(call.args) != 1:
        return ()
    owner = source.text_of(asked.func).removesuffix(".state_dict")
    new = f"{owner}.load_state_dict({source.text_of(call.args[0])})"
    return candidates((0, partial(edits.replace, source, [(call, new)])))
