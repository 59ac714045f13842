"""Functions and constructors receive the arguments that they need, and no more."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose.analysis.failures import frame_location
from broken_convnets.commands.diagnose.analysis.signatures import (
    MISSING,
    MULTIPLE,
    NAME,
    TOO_MANY,
    calls_itself,
    failed_signature,
    is_of_library,
)
from broken_convnets.commands.diagnose.analysis.user_frames import UNKNOWN
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.names.called_classes import (
    class_of_method,
    is_called_with_tensors,
    lacks_self,
)
from broken_convnets.commands.diagnose.rules.names.keywords import without
from broken_convnets.commands.diagnose.rules.names.plateau_step import PLATEAU, with_arguments
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.signatures import Called
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate


@rule(
    "functions and constructors receive the arguments that they need",
    stays_quiet="about forward() of networks of the program, methods that are called on a class, "
    "and calls that libraries make",
)
def argument_is_missing(evidence: Evidence) -> Iterator[Finding]:
    """Find `Net(3)` where `__init__` needs the number of classes as well."""
    called, match = failed_signature(evidence, MISSING)
    names = NAME.findall(match[1])
    if not calls_itself(evidence) and not is_of_library(called):
        return
    if (
        called.name == PLATEAU
        or class_of_method(called) is not None
        or lacks_self(evidence, called)
    ):
        return
    listed = ", ".join(f"`{name}`" for name in names)
    yield Finding(
        kind=called.kind,
        message=f"`{called.text}` does not pass {listed}",
        evidence=f"it is {called.signature}{called.where}" if called.parameters else str(match[0]),
        cause=frame_location(called.frame),
        subject=f"{called.shown_name}.{names[0] if names else ''}",
        candidates=_added(called, names),
        confidence=10,
    )


def _added(called: Called, names: list[str]) -> tuple[Candidate, ...]:
    """Return the call with variables of the caller that have the names of the parameters."""
    known = [n for n in names if called.frame.scope.lookup(n) is not UNKNOWN]
    if not called.plain or known != names:
        return ()
    return candidates((0, partial(with_arguments, called, [f"{name}={name}" for name in names])))


@rule(
    "functions and constructors receive no more arguments than they accept",
    stays_quiet="about forward() of networks, and calls that libraries make",
)
def too_many_arguments(evidence: Evidence) -> Iterator[Finding]:
    """Find calls with more positional arguments than parameters, or with one of them twice."""
    twice = MULTIPLE.search(evidence.message)
    called, match = failed_signature(evidence, MULTIPLE if twice else TOO_MANY)
    if called.name.endswith(".forward") or not calls_itself(evidence):
        return
    if lacks_self(evidence, called) or is_called_with_tensors(called) or _hides_layer(called):
        return
    what = f"passes `{match[1]}` twice" if twice else f"passes {len(called.call.args)} arguments"
    yield Finding(
        kind=called.kind,
        message=f"`{called.text}` {what}",
        evidence=f"it is {called.signature}{called.where}" if called.parameters else str(match[0]),
        cause=frame_location(called.frame),
        subject=called.name,
        candidates=_once(called, match[1]) if twice else (),
        confidence=9,
    )


def _hides_layer(called: Called) -> bool:
    """Return whether a method of a network is called that has the name of one of its layers."""
    owner = getattr(called.function, "__self__", None)
    name = getattr(called.function, "__name__", "")
    return isinstance(owner, nn.Module) and name in dict(owner.named_children())


def _once(called: Called, name: str) -> tuple[Candidate, ...]:
    """Return the call without the keyword of what it also passes by position."""
    keyword = next((k for k in called.call.keywords if k.arg == name), None)
    if keyword is None:
        return ()
    return candidates((1, partial(without, called.frame.source, keyword)))
