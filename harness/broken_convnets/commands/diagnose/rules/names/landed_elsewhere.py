"""An argument that is passed by position lands in the parameter of its own name."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.own_functions import OwnFunctions
from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location_in,
    require_success,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.own_functions import Callee
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source

SETTINGS = re.compile(r"self|args?|opts?|options|cfg|conf|config|hparams|hp|params|settings")
GENERIC = frozenset(
    {"data", "out", "output", "input", "inputs", "name", "value", "values", "other"}
)
# Flags that switch something else too: `augment(x, train)` flips in training alone.
MODES = re.compile(r"(is_)?(train|training|eval|evaluate|test|testing|debug|verbose|deterministic)")
# What one function is often called with in several roles: `block(width, hidden)`, `log(x, epoch)`.
ROLES = (
    re.compile(r"chan|ch$|(^|_)ch?(_|$)|dim|feat|hidden|size|width|height|unit|plane|in$|out|mid"),
    re.compile(r"step|epoch|iter|index|idx|count|num|start|stop|end|first|last|left|right"),
    re.compile(r"name|label|title|tag|path|dir|root|file|prefix|text|message|mode"),
)


@dataclass(frozen=True)
class Landed:
    """An argument of a call, the parameter that receives it, and that of its own name."""

    source: Source
    call: ast.Call
    callee: Callee
    argument: ast.expr
    into: str
    own: str


@rule(
    "an argument that is passed by position lands in the parameter of its own name",
    stays_quiet="unless both are parameters with defaults of one of the user's functions, and the "
    "call does not pass the one of its own name; about sizes, counters and names, and where both "
    "defaults are None. A warning unless both are flags, or the types of the defaults differ",
)
def lands_in_another_parameter(evidence: Evidence) -> Iterator[Finding]:
    """Find `get_target(index, flip)` of `def get_target(index, area=False, flip=False)`."""
    require_success(evidence)
    sources = list(evidence.user_sources)
    functions = OwnFunctions(sources)
    for source in sources:
        for node in source.expressions:
            if isinstance(node, ast.Call) and any(
                _name(a) in functions.optional for a in node.args
            ):
                callee = functions.callee(source, node)
                landed = _landed(source, node, callee) if callee else None
                if landed is not None:
                    yield _finding(landed)


def _landed(source: Source, call: ast.Call, callee: Callee) -> Landed | None:
    """Return the first argument of a call that lands in another parameter."""
    if any(isinstance(one, ast.Starred) for one in call.args):
        return None
    if any(one.arg is None for one in call.keywords):
        return None
    places, defaults = callee.positional, callee.defaults
    passed = {*places[: len(call.args)], *(one.arg for one in call.keywords)}
    for argument, into in zip(call.args, places, strict=False):
        own = _name(argument)
        if own == into or own in passed or own not in defaults or into not in defaults:
            continue
        if not _may_be_meant(own, into, defaults):
            return Landed(source, call, callee, argument, into, own)
    return None


def _name(argument: ast.expr) -> str:
    """Return the name of a variable, also of an attribute of `self` or of settings."""
    if isinstance(argument, ast.Name):
        return argument.id
    owner = argument.value if isinstance(argument, ast.Attribute) else None
    named = isinstance(owner, ast.Name) and SETTINGS.fullmatch(owner.id)
    return argument.attr if isinstance(argument, ast.Attribute) and named else ""


def _may_be_meant(own: str, into: str, defaults: dict[str, ast.expr]) -> bool:
    """Return whether an expert might write this: sizes, counters, and optional tensors."""
    if len(own) == 1 or own in GENERIC:
        return True
    if _differ(defaults[own], defaults[into]):
        return False
    alike = any(words.search(own) and words.search(into) for words in ROLES)
    return alike or (_type(defaults[own]) is _type(defaults[into]) is type(None))


def _type(default: ast.expr) -> type | None:
    """Return the type of a literal; None of what is computed."""
    try:
        return type(ast.literal_eval(default))
    except ValueError:
        return None


def _differ(own: ast.expr, into: ast.expr) -> bool:
    """Return whether a value of one parameter makes no sense in the other.

    Integers may be written for floats, and None stands for any type but that of a flag.
    """
    types = _type(own), _type(into)
    if None in types or types[0] is types[1]:
        return False
    text_for_number = str in types and not {int, float}.isdisjoint(types)
    return bool in types or text_for_number or types == (float, int)


def _finding(landed: Landed) -> Finding:
    defaults, name = landed.callee.defaults, landed.callee.name
    own, into = (ast.unparse(defaults[one]) for one in (landed.own, landed.into))
    flags = _type(defaults[landed.own]) is _type(defaults[landed.into]) is bool
    flags = flags and not MODES.fullmatch(landed.own)
    sure = flags or _differ(defaults[landed.own], defaults[landed.into])
    text = landed.source.text_of(landed.argument)
    return Finding(
        kind="other",
        message=f"`{text}` is passed by position and lands in the parameter {landed.into} of "
        f"{name}(), not in {landed.own}",
        evidence=f"{name}({', '.join(landed.callee.positional)}) keeps {landed.own}={own}, its "
        f"default, and receives the value of `{text}` as {landed.into}, whose default is {into}",
        severity=Severity.ERROR if sure else Severity.WARNING,
        cause=location_in(landed.source, landed.argument),
        subject=f"{name}: {text}",
        candidates=_by_keyword(landed),
        confidence=7,
    )


def _by_keyword(landed: Landed) -> tuple[Candidate, ...]:
    """Return the change that passes it, and what follows it, by keyword."""
    source, places, call = landed.source, landed.callee.positional, landed.call
    first = call.args.index(landed.argument)
    known = {*places, *landed.callee.defaults}
    later = zip(call.args[first:], places[first:], strict=False)
    names = [own if (own := _name(one)) in known else place for one, place in later]
    given = [*places[:first], *names, *(one.arg for one in call.keywords)]
    if len(set(given)) < len(given):
        return ()
    changes = [
        (node, f"{name}={source.text_of(node)}")
        for node, name in zip(call.args[first:], names, strict=True)
    ]
    return candidates((0, partial(edits.replace, source, changes)))
