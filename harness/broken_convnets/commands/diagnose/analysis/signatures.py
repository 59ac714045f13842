"""What a TypeError says about the arguments of a call, and what the called function accepts."""

from __future__ import annotations

import ast
import inspect
import re
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose.analysis.failures import require_failure, shortened
from broken_convnets.commands.diagnose.analysis.user_frames import UNKNOWN
from broken_convnets.commands.diagnose.registry import OtherRun
from broken_convnets.observe.recorder.places import is_user_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame
    from broken_convnets.commands.diagnose.evidence import Evidence

CALLED = re.compile(r"^([\w.<>]+)\(\) ")
MISSING = re.compile(r"missing \d+ required (?:positional|keyword-only) arguments?: (.+)$")
UNEXPECTED = re.compile(r"got an unexpected keyword argument '(\w+)'")
TOO_MANY = re.compile(r"takes (?:from \d+ to )?(\d+) positional arguments? but (\d+) (?:was|were)")
MULTIPLE = re.compile(r"got multiple values for argument '(\w+)'")
NAME = re.compile(r"'(\w+)'")
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Called:
    """A call whose arguments do not fit, and what it calls; UNKNOWN if that cannot be read.

    `name` is that of the function that Python names, such as `Net.__init__`. `parameters` are
    those that a caller can pass.
    """

    frame: UserFrame
    call: ast.Call
    name: str
    function: object
    parameters: tuple[inspect.Parameter, ...]

    @property
    def text(self) -> str:
        """The source text of the call, on one line."""
        return shortened(self.frame.source.text_of(self.call))

    @property
    def names(self) -> list[str]:
        """The names of the parameters, without those that take any number of arguments."""
        return [p.name for p in self.parameters if p.kind not in VARIABLE]

    @property
    def plain(self) -> bool:
        """Whether the call passes no starred arguments."""
        starred = any(isinstance(a, ast.Starred) for a in self.call.args)
        return not starred and all(keyword.arg for keyword in self.call.keywords)

    @property
    def shown_name(self) -> str:
        """The name as a caller writes it: the class for its `__init__`."""
        return self.name.removesuffix(".__init__").removesuffix(".__new__")

    @property
    def signature(self) -> str:
        """The parameters as text, and the line that defines them if it is the user's."""
        inside = ", ".join(str(one).split(":")[0].split(" =")[0] for one in self.parameters)
        return f"{self.shown_name}({shortened(inside, 100)})"

    @property
    def where(self) -> str:
        """Where the user defines the function; empty for one of a library."""
        code = code_of_callable(self.function)
        line = getattr(code, "co_firstlineno", 0)
        user = code is not None and is_user_file(getattr(code, "co_filename", "<"))
        return f", as line {line} of its file defines it" if user else ""

    @property
    def kind(self) -> str:
        """The topic of a mistake in this call."""
        owner = self.function
        is_module = isinstance(owner, type) and issubclass(owner, nn.Module)
        return "module" if is_module else "other"

    def unfilled(self) -> list[str]:
        """Return the required parameters that the call does not pass."""
        passed = {keyword.arg for keyword in self.call.keywords}
        places = [p.name for p in self.parameters if p.kind in POSITIONAL]
        passed |= set(places[: len(self.call.args)])
        empty = inspect.Parameter.empty
        needed = [p for p in self.parameters if p.default is empty and p.kind not in VARIABLE]
        return [p.name for p in needed if p.name not in passed]


def code_of_callable(function: object) -> object:
    """Return the code of a function, a method, or the constructor of a class."""
    function = vars(function).get("__init__") if isinstance(function, type) else function
    return getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)


def failed_signature(evidence: Evidence, pattern: re.Pattern[str]) -> tuple[Called, re.Match[str]]:
    """Return the call that a TypeError of this kind is about; raises OtherRun for others."""
    frame = require_failure(evidence, TypeError)
    found, named = pattern.search(evidence.message), CALLED.match(evidence.message)
    if found is None or named is None or frame.call is None:
        reason = "the exception is not about the arguments of a call"
        raise OtherRun(reason)
    function = _function(evidence, frame, named[1])
    called = Called(frame, frame.call, named[1], function, _parameters(function))
    return called, found


def calls_itself(evidence: Evidence) -> bool:
    """Return whether the user's own call failed, not one that a library made inside of it."""
    frames = list(traceback.walk_tb(evidence.error.__traceback__)) if evidence.error else []
    return bool(frames) and frames[-1][0].f_code is evidence.frames[0].code


def is_of_library(called: Called) -> bool:
    """Return whether the user's call runs this method of a library's object, through wrappers."""
    owner = getattr(called.function, "__self__", None)
    value = called.frame.value(called.call.func)
    through = value is owner or getattr(value, "__self__", None) is owner
    if isinstance(called.call.func, ast.Call):  # CrossEntropyLoss()(outputs)
        through = called.frame.value(called.call.func.func) is type(owner)
    return owner is not None and through and not called.where


def _function(evidence: Evidence, frame: UserFrame, name: str) -> object:
    """Return what Python names in its message: what is called, or what a library called."""
    assert frame.call is not None  # noqa: S101  (checked by the caller)
    called = frame.value(frame.call.func)
    first, _, last = name.rpartition(".")
    if last == "forward":
        network = called if isinstance(called, nn.Module) else _called_network(evidence)
        called = type(network).forward.__get__(network) if network is not None else called
    own = getattr(called, "__qualname__", "")
    if own in {name, first} or own.endswith((f".{name}", f".{first}")):
        return called
    if isinstance(called, type) and last in {"__init__", "__new__"}:
        bases = (one for one in called.__mro__ if one.__qualname__ == first)
        return next(bases, _from_library(evidence, first))
    return _from_library(evidence, first if last == "__init__" else name)


def _called_network(evidence: Evidence) -> nn.Module | None:
    """Return the network whose forward torch was calling."""
    frames = list(traceback.walk_tb(evidence.error.__traceback__)) if evidence.error else []
    found = frames[-1][0].f_locals.get("self") if frames else None
    return found if isinstance(found, nn.Module) else None


def _from_library(evidence: Evidence, name: str) -> object:
    """Return a function or a class of a name that the innermost frame can read."""
    frames = list(traceback.walk_tb(evidence.error.__traceback__)) if evidence.error else []
    inner = frames[-1][0] if frames else None
    owner, _, attribute = name.rpartition(".")
    for names in (inner.f_locals, inner.f_globals) if inner else ():
        found = names.get(owner or attribute, UNKNOWN)
        if found is not UNKNOWN:
            return getattr(found, attribute, UNKNOWN) if owner else found
    return UNKNOWN


def _parameters(function: object) -> tuple[inspect.Parameter, ...]:
    """Return the parameters of a callable that a caller passes; none if they are unknown."""
    if function is UNKNOWN or not callable(function):
        return ()
    try:
        return tuple(_signature(function).parameters.values())
    except (ValueError, TypeError):
        return ()


def _signature(function: Callable[..., object]) -> inspect.Signature:
    if isinstance(function, type) and "__init__" in vars(function):
        whole = inspect.signature(vars(function)["__init__"])
        return whole.replace(parameters=list(whole.parameters.values())[1:])
    return inspect.signature(function)
