"""A number that was read as text is converted before it is used: `float("1e-3")`."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    origin_location,
    require_failure,
)
from broken_convnets.commands.diagnose.analysis.origins import origin_of
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import calls_named, candidates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source


@rule(
    "a number that was read as text is converted before it is used",
    stays_quiet="unless the text of exactly one value is a number",
)
def text_instead_of_number(evidence: Evidence) -> Iterator[Finding]:
    """Find values of the command line, a file or the environment that are still strings."""
    frame = require_failure(evidence, TypeError)
    used = _numeric_texts(frame) if "str" in evidence.message else {}
    if len(used) != 1:
        return
    name, (node, text) = used.popitem()
    origin = origin_of(evidence, 0, node)
    attribute = origin.node.attr if isinstance(origin.node, ast.Attribute) else ""
    option = _option(evidence, attribute) if attribute else None
    number = _type_of(text)
    convert = partial(edits.replace, frame.source, [(node, f"{number}({name})")])
    if option:
        source, call = option
        declare = partial(edits.set_argument, source, call, "type", None, number)
        cause, fixes = Location(source.path, call.lineno), [(0, declare), (1, convert)]
        why = f"`{_call_text(source, call)}` has no `type`, so argparse returns text"
    else:
        cause, fixes = origin_location(origin), [(0, convert)]
        why = f"convert it where it is read: `{number}(...)`"
    yield Finding(
        kind="data/string_labels",
        message=f"`{name}` is the string {text!r}, not a number",
        evidence=why,
        cause=cause,
        symptom=frame_location(frame),
        subject=name,
        candidates=candidates(*fixes),
        confidence=10,
    )


def _call_text(source: Source, call: ast.Call) -> str:
    """Return a call without its arguments but the first."""
    first = source.text_of(call.args[0]) if call.args else ""
    return f"{source.text_of(call.func)}({first}, ...)"


def _numeric_texts(frame: UserFrame) -> dict[str, tuple[ast.expr, str]]:
    """Return the names that the failing expression reads, and whose value is a number as text."""
    found: dict[str, tuple[ast.expr, str]] = {}
    for node in ast.walk(frame.expression or frame.statement or ast.Pass()):
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            value = frame.value(node)
            if isinstance(value, str) and _type_of(value):
                found[frame.source.text_of(node)] = (node, value)
    return found


def _type_of(text: str) -> str:
    """Return the name of the type that reads a text as a number; empty if none does."""
    for convert in (int, float):
        try:
            convert(text)
        except ValueError:
            continue
        return convert.__name__
    return ""


def _option(evidence: Evidence, attribute: str) -> tuple[Source, ast.Call] | None:
    """Return the only call of argparse that declares an option without a type."""
    found = [
        (source, call)
        for source, call in calls_named(evidence, "add_argument")
        if attribute in _destinations(call) and _is_text(call)
    ]
    return found[0] if len(found) == 1 else None


def _destinations(call: ast.Call) -> set[str]:
    """Return the attributes that an option may set."""
    named = [one.value for one in call.keywords if one.arg == "dest"]
    texts = [one.value for one in (*call.args, *named) if isinstance(one, ast.Constant)]
    return {str(text).lstrip("-").replace("-", "_") for text in texts}


def _is_text(call: ast.Call) -> bool:
    given = {one.arg: one.value for one in call.keywords}
    kind = given.get("type")
    return "action" not in given and (kind is None or getattr(kind, "id", "") == "str")
