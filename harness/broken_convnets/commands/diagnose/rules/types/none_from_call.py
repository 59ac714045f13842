"""The result of a call is used only if the call returns one."""

from __future__ import annotations

import ast
import difflib
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.bindings import bindings
from broken_convnets.commands.diagnose.analysis.culprits import (
    NONE,
    Culprit,
    is_in_place,
    is_lookup,
    lookup_in,
)
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    origin_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.origins import Origin, follow
from broken_convnets.commands.diagnose.analysis.returns import callee_of
from broken_convnets.commands.diagnose.analysis.user_frames import value_of
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate


@rule(
    "the result of a method that changes its object in place is not used",
    stays_quiet="about methods that return their object",
)
def result_of_in_place_method(evidence: Evidence) -> Iterator[Finding]:
    """Find `layers = layers.append(layer)` and the like, whose result is None."""
    frame = require_failure(evidence)
    for one in _from_calls(evidence):
        call = one.origin.node
        if not isinstance(call, ast.Call):
            continue
        if not is_in_place(call, value_of(call.func, one.origin.scope)):
            continue
        text = shortened(one.origin.source.text_of(call))
        yield Finding(
            kind="none/inplace_method_returns_none",
            message=f"{called_name(call)}() changes its object in place and returns None",
            evidence=f"`{one.text}` is None because it is the result of `{text}`",
            cause=origin_location(one.origin),
            symptom=frame_location(frame),
            subject=text,
            cases=("none/append_result_assigned",),
            candidates=_unassigned(one.origin, call),
            confidence=10,
        )
        return


def _from_calls(evidence: Evidence) -> list[Culprit]:
    return [
        one
        for one in evidence.culprits
        if one.type == NONE and one.origin.item is None and not one.origin.looped
    ]


def _unassigned(origin: Origin, call: ast.Call) -> tuple[Candidate, ...]:
    """Return the statement without its assignment."""
    source, statement = origin.source, origin.statement
    text = source.text_of(call)
    receiver = source.text_of(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    if not isinstance(statement, ast.Assign) or statement.value is not call or not receiver:
        return ()
    target = source.text_of(statement.targets[0])

    def kept() -> Patch:
        extra = [] if target == receiver else [f"{target} = {receiver}"]
        lines = "\n".join([text, *(edits.indentation(source, statement) + e for e in extra)])
        return edits.replace(source, [(statement, lines)])

    return candidates((0, kept))


@rule(
    "a lookup finds what it looks for",
    stays_quiet="about lookups whose result is compared with None first",
)
def lookup_found_nothing(evidence: Evidence) -> Iterator[Finding]:
    """Find the None of `dict.get`, `cv2.imread` and the functions that return their result."""
    frame = require_failure(evidence)
    for one in _from_calls(evidence):
        call = one.origin.node
        lookup = _lookup(evidence, one.origin)
        if lookup is None or not isinstance(call, ast.Call):
            continue
        wanted, key = _key(evidence, one.origin, call)
        used = "none/optional_layer_none" if one.called else "none/imread_none"
        text = shortened(one.origin.source.text_of(call))
        yield Finding(
            kind=used,
            message=f"`{text}` found nothing and returned None",
            evidence=f"`{one.text}` is used as if it had; "
            + (f"there is no {key!r}" if key else "check the key or the path first"),
            cause=origin_location(wanted or one.origin),
            symptom=frame_location(frame),
            subject=text,
            cases=(
                "none/unknown_activation_name"
                if one.called
                else "none/image_not_found_returns_none",
            ),
            candidates=_closest(one.origin, call, wanted, key),
            confidence=10,
        )
        return


def _lookup(evidence: Evidence, origin: Origin) -> ast.Call | None:
    if not isinstance(origin.node, ast.Call):
        return None
    if is_lookup(origin.node):
        return origin.node
    called = callee_of(evidence, origin.node, origin.scope)
    if called is None:
        return None
    direct = lookup_in(called.returned)
    if direct is not None:
        return direct
    for statement in called.returned:
        if isinstance(statement.value, ast.Name):
            for bound in bindings(called.function.body, statement.value.id):
                if isinstance(bound.value, ast.Call) and is_lookup(bound.value):
                    return bound.value
    return None


def _key(evidence: Evidence, origin: Origin, call: ast.Call) -> tuple[Origin | None, str]:
    """Return where the key was written, if it is a constant, and the key."""
    if not call.args:
        return None, ""
    found = follow(evidence, Origin(origin.source, call.args[0], origin.scope, origin.statement))
    constant = found.node.value if isinstance(found.node, ast.Constant) else None
    return (found, constant) if isinstance(constant, str) else (None, "")


def _closest(
    origin: Origin, call: ast.Call, wanted: Origin | None, key: str
) -> tuple[Candidate, ...]:
    """Return the key that is spelled alike, or the path with its separator."""
    attempts: list[tuple[int, Callable[[], Patch]]] = []
    names = {name.lower(): name for name in _keys(origin, call)}
    matches = difflib.get_close_matches(key.lower(), names, n=2) if key else []
    for rank, match in enumerate(matches):
        if wanted is not None and names[match] != key:
            text = repr(names[match]).replace("'", '"')
            attempts.append((rank, _replaced(wanted, wanted.node, text)))
    for part in call.args:
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add):
            left = part.left
            if isinstance(left, ast.Constant) and isinstance(left.value, str):
                text = f'"{left.value}/"'
                attempts.append((0, _replaced(origin, left, text)))
    return candidates(*attempts)


def _replaced(origin: Origin, node: ast.expr, text: str) -> Callable[[], Patch]:
    return lambda: edits.replace(origin.source, [(node, text)])


def _keys(origin: Origin, call: ast.Call) -> list[str]:
    """Return the keys of the dictionary that a `get` looks in."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    if isinstance(owner, ast.Dict):
        keys = [key.value for key in owner.keys if isinstance(key, ast.Constant)]
        return [key for key in keys if isinstance(key, str)]
    value = value_of(owner, origin.scope) if owner is not None else None
    return [key for key in value if isinstance(key, str)] if isinstance(value, dict) else []
