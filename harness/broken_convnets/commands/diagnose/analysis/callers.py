"""Who called a function of a traceback or constructed an object, and defaults of parameters."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose.analysis.callables import code_of
from broken_convnets.commands.diagnose.analysis.user_frames import UNKNOWN, Scope

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.analysis.bindings import Function
    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source


@dataclass(frozen=True)
class Builder:
    """The call that constructed an object. It has returned: no name of it can be read."""

    source: Source
    call: ast.Call
    statement: ast.stmt | None
    scope: Scope


def builder_of(evidence: Evidence, owner: object) -> Builder | None:
    """Return the call in the user's code that constructed an object; None if that is unknown."""
    built = evidence.record.construction(owner)
    place = built.places[0] if built and built.places else None
    source = evidence.source(place.file) if place else None
    call = source.call_at(place) if source and place else None
    if source is None or call is None:
        return None
    return Builder(source, call, source.statement_of(call), Scope({}, {}))


def calls(caller: UserFrame, callee: UserFrame) -> bool:
    """Return whether the call of a frame is the call of the next frame's function."""
    called = caller.value(caller.call.func) if caller.call else UNKNOWN
    if called is UNKNOWN:
        return bool(caller.call) and _names_self(caller, callee)
    if isinstance(called, nn.Sequential):  # which passes its input to its first layer
        return _first_layer(called) is callee.scope.local.get("self")
    return code_of(called) is callee.code


def _first_layer(container: nn.Module) -> nn.Module:
    while isinstance(container, nn.Sequential) and len(container):
        container = container[0]
    return container


def _names_self(caller: UserFrame, callee: UserFrame) -> bool:
    """Return whether an unreadable callable has the name of the callee or of its class.

    That is so for `Net()(x)` and for `Trainer(net).fit(x)`.
    """
    function = caller.call.func if caller.call else None
    if isinstance(function, ast.Attribute):
        return function.attr == callee.code.co_name
    made = function.func if isinstance(function, ast.Call) else None
    name = made.id if isinstance(made, ast.Name) else getattr(made, "attr", "")
    own = callee.scope.local.get("self")
    return own is not None and type(own).__name__ == name


def default_of(function: Function, name: str) -> ast.expr | None:
    """Return the default of a parameter; None if it has none."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    with_default = positional[len(positional) - len(arguments.defaults) :]
    pairs = [*zip(with_default, arguments.defaults, strict=True)]
    for keyword, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if value is not None:
            pairs.append((keyword, value))
    return next((value for argument_, value in pairs if argument_.arg == name), None)


def self_of(function: Function, owner: object) -> dict[str, object]:
    """Return the local names of a method of `owner` that are known: its first parameter."""
    names = [a.arg for a in function.args.args]
    return {names[0]: owner} if names else {}
