"""Where a value was computed: from an expression that failed back to the one that produced it.

Follows names to their assignments, parameters to the arguments of the caller, and attributes of
`self` to the class that assigns them.
"""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose.source import argument
from broken_convnets.commands.diagnose.user_frames import UNKNOWN, Scope, UserFrame, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.commands.diagnose.source import Source

STEPS = 12  # at most, from one expression to the next
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Origin:
    """The expression that computed a value.

    `item` is the value's position in what the expression returns, if that was unpacked. `looped`
    is whether the value is an item of the expression, in a loop. `scope` has the names that the
    expression can read; for the body of a class, those of the method that assigns it.
    """

    source: Source
    node: ast.expr
    scope: Scope
    statement: ast.stmt | None
    item: int | None = None
    looped: bool = False
    default: bool = False  # whether it is the default of a parameter that no caller sets


@dataclass(frozen=True)
class _Binding:
    """An assignment to a name: the expression, and how the name is a part of it."""

    statement: ast.stmt
    value: ast.expr
    item: int | None = None
    looped: bool = False


def origin_of(frames: Sequence[UserFrame], index: int, node: ast.expr) -> Origin:
    """Return the origin of an expression of frame `index`; frames are sorted innermost first."""
    frame = frames[index]
    return _follow(frames, index, Origin(frame.source, node, frame.scope, frame.statement), STEPS)


def _follow(frames: Sequence[UserFrame], index: int, at: Origin, steps: int) -> Origin:
    found: Origin | None = None
    if not steps or at.looped or at.item is not None:
        return at
    if isinstance(at.node, ast.Name):
        bound = _binding(at, at.node)
        if bound is not None:
            found = Origin(
                at.source, bound.value, at.scope, bound.statement, bound.item, bound.looped
            )
        elif _parameter(at) is not None:
            return _argument(frames, index, at, steps)
    elif isinstance(at.node, ast.Attribute):
        found = _assigned_attribute(frames[index], at, at.node)
    return at if found is None else _follow(frames, index, found, steps - 1)


def _binding(at: Origin, name: ast.Name) -> _Binding | None:
    """Return the last assignment of a name that ran before the expression `at`."""
    function = at.source.function_of(name)
    bodies = function.body if function else at.source.tree.body
    every = [b for b in bindings(bodies, name.id) if b.statement is not at.statement or b.looped]
    before = [b for b in every if b.statement.lineno <= name.lineno]
    if before:
        return before[-1]
    if function is None or at.source.loops_around(name):
        return every[-1] if every else None
    if every or _parameter(at) is not None:
        return None
    return next(reversed(list(bindings(at.source.tree.body, name.id))), None)


def bindings(body: Sequence[ast.stmt], name: str) -> Iterator[_Binding]:
    """Yield the assignments of a name in a function's body, in order, inner functions aside."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        yield from _bound_by(statement, name)
        for block in ("body", "orelse", "finalbody"):
            yield from bindings(getattr(statement, block, []), name)
        for handler in getattr(statement, "handlers", []):
            yield from bindings(handler.body, name)


def _bound_by(statement: ast.stmt, name: str) -> Iterator[_Binding]:
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from _matched(statement, target, statement.value, name)
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        yield from _matched(statement, statement.target, statement.value, name)
    elif isinstance(statement, ast.For | ast.AsyncFor):
        for bound in _matched(statement, statement.target, statement.iter, name):
            yield _Binding(statement, bound.value, bound.item, looped=True)
    elif isinstance(statement, ast.With | ast.AsyncWith):
        for item in statement.items:
            if item.optional_vars is not None:
                yield from _matched(statement, item.optional_vars, item.context_expr, name)


def _matched(
    statement: ast.stmt, target: ast.expr, value: ast.expr, name: str
) -> Iterator[_Binding]:
    if isinstance(target, ast.Name) and target.id == name:
        yield _Binding(statement, value)
    elif isinstance(target, ast.Tuple | ast.List):
        parts = value.elts if isinstance(value, ast.Tuple | ast.List) else None
        paired = parts is not None and len(parts) == len(target.elts)
        for position, element in enumerate(target.elts):
            if paired and parts is not None:
                yield from _matched(statement, element, parts[position], name)
            elif any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(element)):
                yield _Binding(statement, value, position)


def _parameter(at: Origin) -> Function | None:
    """Return the function that has the name `at` as a parameter."""
    function = at.source.function_of(at.node)
    if function is None or not isinstance(at.node, ast.Name):
        return None
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return function if any(a.arg == at.node.id for a in every) else None


def _argument(frames: Sequence[UserFrame], index: int, at: Origin, steps: int) -> Origin:
    """Go on at the argument of the caller; stay if the caller is not the user's."""
    function = _parameter(at)
    if function is None or not isinstance(at.node, ast.Name):
        return at
    caller = frames[index + 1] if index + 1 < len(frames) else None
    if caller is not None and caller.call is not None and _calls(caller, frames[index]):
        names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        position = names.index(at.node.id) if at.node.id in names else None
        bound = bool(names) and names[0] in {"self", "cls"}
        if position is not None and bound:
            position -= 1
        if position is None or position >= 0:
            value = argument(caller.call, at.node.id, position)
            if value is not None:
                outer = Origin(caller.source, value, caller.scope, caller.statement)
                return _follow(frames, index + 1, outer, steps - 1)
    default = _default(function, at.node.id)
    if default is not None and caller is not None and caller.call is not None:
        return Origin(at.source, default, at.scope, function, default=True)
    return at


def _calls(caller: UserFrame, callee: UserFrame) -> bool:
    """Return whether the call of a frame is the call of the next frame's function."""
    called = caller.value(caller.call.func) if caller.call else UNKNOWN
    if called is UNKNOWN:
        return bool(caller.call) and _names_self(caller, callee)
    return code_of(called) is callee.code


def _names_self(caller: UserFrame, callee: UserFrame) -> bool:
    """Return whether an unreadable callable, as `Net()(x)`, has the name of the callee's class."""
    function = caller.call.func if caller.call else None
    made = function.func if isinstance(function, ast.Call) else None
    name = made.id if isinstance(made, ast.Name) else getattr(made, "attr", "")
    own = callee.scope.local.get("self")
    return own is not None and type(own).__name__ == name


def code_of(called: object) -> object:
    """Return the code that runs when an object is called; None if that is not Python."""
    if isinstance(called, nn.Module):
        called = type(called).forward
    if inspect.isclass(called):
        called = called.__init__
    if isinstance(called, MethodType):
        called = called.__func__
    if not isinstance(called, FunctionType):
        called = vars(type(called)).get("__call__", called)
    called = inspect.unwrap(called) if isinstance(called, FunctionType) else called
    return getattr(called, "__code__", None)


def _default(function: Function, name: str) -> ast.expr | None:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    with_default = positional[len(positional) - len(arguments.defaults) :]
    pairs = [*zip(with_default, arguments.defaults, strict=True)]
    for keyword, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if value is not None:
            pairs.append((keyword, value))
    return next((value for argument_, value in pairs if argument_.arg == name), None)


def _assigned_attribute(frame: UserFrame, at: Origin, node: ast.Attribute) -> Origin | None:
    """Return the assignment of an attribute in the classes of its owner, the last in __init__."""
    owner = value_of(node.value, at.scope)
    if owner is UNKNOWN or not hasattr(owner, "__dict__"):
        return None
    found = list(attribute_assignments(frame.source, owner, node.attr))
    if not found:
        return None
    first = [one for one in found if one[0].name == "__init__"] or found
    function, statement, value = first[-1]
    scope = Scope({**_self_of(function, owner)}, at.scope.world)
    return Origin(frame.source, value, scope, statement)


def _self_of(function: Function, owner: object) -> dict[str, object]:
    names = [a.arg for a in function.args.args]
    return {names[0]: owner} if names else {}


def attribute_assignments(
    source: Source, owner: object, name: str
) -> Iterator[tuple[Function, ast.stmt, ast.expr]]:
    """Yield the assignments of `self.<name>` in the methods of an object's classes in a file."""
    classes = {one.__name__ for one in type(owner).__mro__}
    for definition in ast.walk(source.tree):
        if not isinstance(definition, ast.ClassDef) or definition.name not in classes:
            continue
        for function in definition.body:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for statement, value in _attribute_values(function, name):
                    yield function, statement, value


def _attribute_values(function: Function, name: str) -> Iterator[tuple[ast.stmt, ast.expr]]:
    own = function.args.args[0].arg if function.args.args else ""
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(is_attribute(target, own, name) for target in targets):
            yield node, node.value


def is_attribute(node: ast.AST, owner: str, name: str) -> bool:
    """Return whether a node is `owner.name`."""
    if not isinstance(node, ast.Attribute) or node.attr != name:
        return False
    return isinstance(node.value, ast.Name) and node.value.id == owner
