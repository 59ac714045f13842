"""What a user's function returns, by its syntax: whether it can end without a value."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose.analysis.callables import code_of
from broken_convnets.commands.diagnose.analysis.origins import Origin, follow
from broken_convnets.commands.diagnose.analysis.user_frames import UNKNOWN, Scope, value_of
from broken_convnets.observe.recorder.places import is_user_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

DEPTH = 5  # of functions that return what another one returns


@dataclass(frozen=True)
class Callee:
    """A user's function that an expression calls, and the names that its body can read."""

    source: Source
    function: ast.FunctionDef
    scope: Scope
    owner: object = None  # the object whose method it is

    @property
    def name(self) -> str:
        """Its name, with that of the object's class."""
        owner = f"{type(self.owner).__name__}." if self.owner is not None else ""
        return f"{owner}{self.function.name}"

    @property
    def returned(self) -> list[ast.Return]:
        """Its `return` statements with a value other than the constant None."""
        return [r for r in self.returns if r.value is not None and not _is_none(r.value)]

    @property
    def returns(self) -> list[ast.Return]:
        """All its `return` statements, those of inner functions aside."""
        found = [n for n in ast.walk(self.function) if isinstance(n, ast.Return)]
        return [r for r in found if self.source.enclosing(r, _FUNCTIONS) is self.function]

    @property
    def yields(self) -> bool:
        """Whether it is a generator."""
        found = [n for n in ast.walk(self.function) if isinstance(n, ast.Yield | ast.YieldFrom)]
        return any(self.source.enclosing(y, _FUNCTIONS) is self.function for y in found)


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def callee_of(evidence: Evidence, call: ast.Call, scope: Scope) -> Callee | None:
    """Return the user's function that a call runs; None if it is not known or not the user's."""
    if isinstance(call.func, ast.Call):  # Net()(x)
        built = value_of(call.func.func, scope)
        is_module = isinstance(built, type) and issubclass(built, nn.Module)
        return callee(evidence, built.forward) if is_module else None  # type: ignore[attr-defined]  # a module's class
    inherited = _inherited(call, scope)
    return callee(evidence, value_of(call.func, scope) if inherited is None else inherited)


def _inherited(call: ast.Call, scope: Scope) -> object:
    """Return the method that `super().forward` is; None for other callables."""
    function = call.func
    if not isinstance(function, ast.Attribute) or ast.unparse(function.value) != "super()":
        return None
    owner, cls = scope.lookup("self"), scope.lookup("__class__")
    known = isinstance(owner, nn.Module) and isinstance(cls, type) and isinstance(owner, cls)
    return getattr(super(cls, owner), function.attr, None) if known else None


def callee(evidence: Evidence, called: object) -> Callee | None:
    """Return the user's function that runs when an object is called, and whose result it returns.

    That of an `nn.Sequential` is its last layer's.
    """
    while isinstance(called, nn.Sequential) and len(called):
        called = called[-1]
    if getattr(called, "__func__", None) is nn.Module.eval:
        called = called.__self__.train  # type: ignore[attr-defined]  # a bound method; eval returns what train does
    if called is UNKNOWN or called is None or isinstance(called, type):
        return None
    code: CodeType | None = code_of(called)  # type: ignore[assignment]  # a code object or None
    if code is None or not is_user_file(code.co_filename):
        return None
    source = evidence.source(code.co_filename)
    function = source.function_named(code.co_name, code.co_firstlineno) if source else None
    if source is None or function is None:
        return None
    owner = _owner(called)
    names = [a.arg for a in function.args.args]
    local = {names[0]: owner} if names and owner is not None else {}
    return Callee(source, function, Scope(local, _globals(called)), owner)


def _owner(called: object) -> object:
    if isinstance(called, MethodType):
        return called.__self__
    return None if isinstance(called, FunctionType) else called


def _globals(called: object) -> dict[str, object]:
    if isinstance(called, MethodType):
        called = called.__func__
    if isinstance(called, nn.Module):
        called = type(called).forward
    if not isinstance(called, FunctionType):
        called = vars(type(called)).get("__call__")
    return dict(getattr(called, "__globals__", {}))


def source_of_none(evidence: Evidence, start: Callee, depth: int = DEPTH) -> Callee | None:
    """Return the function that returns None instead of `start`, or through it; None if none can.

    A function that always returns an expression can still return what another one returns.
    """
    if start.yields or start.function.name == "__init__":
        return None
    if not start.returned or ends_without_return(start.function.body):
        return start
    if len(start.returned) < len(start.returns):
        return start
    for statement in start.returned if depth else []:
        if isinstance(statement.value, ast.Call):
            inner = callee_of(evidence, statement.value, start.scope)
            found = source_of_none(evidence, inner, depth - 1) if inner else None
            if found is not None:
                return found
    return None


def computed_by(evidence: Evidence, origin: Origin, depth: int = DEPTH) -> Origin:
    """Return the expression inside the program's functions that computed what a call returned.

    Stays at the call of a function with several `return` statements.
    """
    call = origin.node
    called = callee_of(evidence, call, origin.scope) if isinstance(call, ast.Call) else None
    if called is None or not depth or origin.looped or len(called.returned) != 1:
        return origin
    statement = called.returned[0]
    value = statement.value
    if isinstance(value, ast.Tuple) and len(value.elts) > (origin.item or 0):
        value = value.elts[origin.item or 0]
    elif origin.item is not None:
        return origin
    if value is None:
        return origin
    inner = follow(evidence, Origin(called.source, value, called.scope, statement))
    return computed_by(evidence, inner, depth - 1)


def ends_without_return(body: Sequence[ast.stmt]) -> bool:
    """Return whether execution can reach the end of a block."""
    last = body[-1]
    if isinstance(last, ast.Return | ast.Raise):
        return False
    if isinstance(last, ast.While):
        forever = isinstance(last.test, ast.Constant) and bool(last.test.value)
        return not forever or any(isinstance(n, ast.Break) for n in ast.walk(last))
    return any(not block or ends_without_return(block) for block in _ends(last))


def _ends(statement: ast.stmt) -> list[list[ast.stmt]]:
    """Return the blocks of which one runs last; an empty one if the statement can skip them."""
    if isinstance(statement, ast.If):
        return [statement.body, statement.orelse]
    if isinstance(statement, ast.With | ast.AsyncWith):
        return [statement.body]
    if isinstance(statement, ast.Try):
        if statement.finalbody and not ends_without_return(statement.finalbody):
            return [statement.finalbody]
        handlers = [handler.body for handler in statement.handlers]
        return [statement.orelse or statement.body, *handlers]
    if isinstance(statement, ast.Match):
        bodies = [case.body for case in statement.cases]
        return bodies if _matches_all(statement) else [*bodies, []]
    return [[]]


def _matches_all(statement: ast.Match) -> bool:
    last = statement.cases[-1]
    return last.guard is None and isinstance(last.pattern, ast.MatchAs) and not last.pattern.pattern


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
