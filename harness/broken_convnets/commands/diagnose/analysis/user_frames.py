"""The user's own frames that an exception left, their variables, and what they were running."""

from __future__ import annotations

import ast
import builtins
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.observe.recorder.patches import is_recorder_code
from broken_convnets.observe.recorder.places import is_user_file, place_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import CodeType, TracebackType

    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.places import Place


class Unknown:
    """The value of an expression that cannot be read without running the user's code."""


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Scope:
    """The names that an expression can read."""

    local: Mapping[str, object]
    world: Mapping[str, object]  # the globals of the module

    def lookup(self, name: str) -> object:
        """Return the value of a name, or UNKNOWN."""
        for names in (self.local, self.world, vars(builtins)):
            if name in names:
                return names[name]
        return UNKNOWN


@dataclass(frozen=True)
class UserFrame:
    """One frame: where it was, the expression that raised or called, and its variables.

    `expression` and `statement` are None where the syntax has nothing at that place.
    """

    source: Source
    place: Place
    code: CodeType
    scope: Scope
    expression: ast.expr | None
    statement: ast.stmt | None

    @property
    def function(self) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The function whose body it runs; None at module level."""
        return self.source.function_of(self.statement) if self.statement else None

    @property
    def call(self) -> ast.Call | None:
        """The call that raised, if the expression is one."""
        return self.expression if isinstance(self.expression, ast.Call) else None

    def value(self, node: ast.expr) -> object:
        """Return the value that `node` had when the exception was raised, or UNKNOWN."""
        return value_of(node, self.scope)


def user_frames(
    error: BaseException, source_of: Callable[[str], Source | None]
) -> tuple[UserFrame, ...]:
    """Return the user's frames of a traceback, the innermost first; those without source aside."""
    found: list[UserFrame] = []
    entry = error.__traceback__
    while entry is not None:
        code = entry.tb_frame.f_code
        if is_user_file(code.co_filename) and not is_recorder_code(code):
            source = source_of(code.co_filename)
            if source is not None:
                found.append(_user_frame(entry, source))
        entry = entry.tb_next
    return tuple(reversed(found))


def _user_frame(entry: TracebackType, source: Source) -> UserFrame:
    frame = entry.tb_frame
    place = place_at(frame.f_code, entry.tb_lasti, entry.tb_lineno)
    expression = source.expression_at(place) if place.end_column else None
    return UserFrame(
        source=source,
        place=place,
        code=frame.f_code,
        scope=Scope(dict(frame.f_locals), frame.f_globals),
        expression=expression,
        statement=source.statement_at(place.line),
    )


def value_of(node: ast.expr, scope: Scope) -> object:
    """Return what a name, an attribute, a constant or an item of a collection is worth.

    Calls nothing of the user's: returns UNKNOWN for calls, properties and operators.
    """
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return scope.lookup(node.id)
    if isinstance(node, ast.Attribute):
        return attribute_of(value_of(node.value, scope), node.attr)
    if isinstance(node, ast.Subscript):
        return _item(value_of(node.value, scope), value_of(node.slice, scope))
    return UNKNOWN


def attribute_of(owner: object, name: str) -> object:
    """Return an attribute of an object, or UNKNOWN if there is none or it is a property."""
    if owner is UNKNOWN:
        return UNKNOWN
    static = inspect.getattr_static(type(owner), name, None)
    if isinstance(static, property) and is_user_file(getattr(static.fget, "__module__", "")):
        return UNKNOWN
    if isinstance(static, property) and _is_users(static.fget):
        return UNKNOWN
    try:
        return getattr(owner, name, UNKNOWN)
    except Exception:  # noqa: BLE001  (an attribute may be of anyone's class)
        return UNKNOWN


def _is_users(function: object) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and is_user_file(code.co_filename)


def _item(owner: object, key: object) -> object:
    if type(owner) in {list, tuple, dict} and isinstance(key, int | str):
        try:
            return owner[key]  # type: ignore[index]  # one of the three types above
        except (LookupError, TypeError):
            return UNKNOWN
    return UNKNOWN


def operands(node: ast.expr | None) -> list[ast.expr]:
    """Return the parts of an expression that it works on: arguments, receiver, both sides."""
    if isinstance(node, ast.Call):
        receiver = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        arguments = [a.value if isinstance(a, ast.Starred) else a for a in node.args]
        return [*receiver, *arguments, *(keyword.value for keyword in node.keywords)]
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    if isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        return [node.value]
    if isinstance(node, ast.UnaryOp):
        return [node.operand]
    return [] if node is None else [node]
