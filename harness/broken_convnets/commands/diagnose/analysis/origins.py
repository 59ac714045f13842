"""Where a value was computed: from an expression that failed back to the one that produced it.

Follows names to their assignments, parameters to the arguments of the caller, and attributes of
`self` to the class that assigns them.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.bindings import (
    Binding,
    Function,
    attribute_assignments,
    bindings,
    passed_argument,
)
from broken_convnets.commands.diagnose.analysis.callables import class_sources
from broken_convnets.commands.diagnose.analysis.callers import (
    Builder,
    builder_of,
    calls,
    default_of,
    self_of,
)
from broken_convnets.commands.diagnose.analysis.user_frames import (
    UNKNOWN,
    Scope,
    UserFrame,
    value_of,
)

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

DISPLAYS: dict[type[ast.expr], type] = {
    ast.List: list,
    ast.ListComp: list,
    ast.Tuple: tuple,
    ast.Dict: dict,
    ast.DictComp: dict,
    ast.Set: set,
    ast.JoinedStr: str,
}
STEPS = 12  # at most, from one expression to the next


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
    starred: bool = False  # whether it was passed as an item of a starred argument
    before: Origin | None = None  # the expression that led here

    @property
    def last_read(self) -> Origin:
        """The last expression on the way here that reads a value and calls nothing."""
        at = self
        while isinstance(at.node, ast.Call) and at.before is not None:
            at = at.before
        return at


def origin_of(evidence: Evidence, index: int, node: ast.expr) -> Origin:
    """Return the origin of an expression of frame `index`, counted from the innermost."""
    frame = evidence.frames[index]
    start = Origin(frame.source, node, frame.scope, frame.statement)
    return _Trail(evidence).follow(index, start, STEPS)


def follow(evidence: Evidence, start: Origin) -> Origin:
    """Return the origin of an expression of a function that has returned."""
    return _Trail(evidence).follow(len(evidence.frames) - 1, start, STEPS)


def part_of(evidence: Evidence, at: Origin, node: ast.expr) -> Origin:
    """Return the origin of a part of the expression `at`, in the frame that `at` belongs to."""
    frames = evidence.frames
    index = next((i for i, one in enumerate(frames) if one.scope is at.scope), len(frames) - 1)
    return _Trail(evidence).follow(index, replace(at, node=node, before=at), STEPS)


class _Trail:
    """Follows one value through the frames of a traceback, and to where its owner was built."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._frames = evidence.frames

    def follow(self, index: int, at: Origin, steps: int) -> Origin:
        """Return the origin of the value of `at`, an expression of frame `index`."""
        if not steps or at.looped or at.item is not None:
            return at
        found: Origin | None = None
        if isinstance(at.node, ast.Name):
            bound = _binding(at, at.node)
            if bound is None:
                return self._argument(index, at, steps)
            found = Origin(
                at.source, bound.value, at.scope, bound.statement, bound.item, bound.looped
            )
        elif isinstance(at.node, ast.Attribute):
            found = self._assigned_attribute(at, at.node)
        if found is None:
            return at
        return self.follow(index, replace(found, before=at), steps - 1)

    def _argument(self, index: int, at: Origin, steps: int) -> Origin:
        """Continue at the argument of the caller; stay if that is not known."""
        function = parameter(at)
        if function is None or not isinstance(at.node, ast.Name):
            return at
        caller, outer = self._caller(index, function, at)
        found = (
            passed_argument(caller.source, function, at.node.id, caller.call)
            if (caller and caller.call)
            else None
        )
        if caller is not None and found is not None:
            value, item = found
            starred = item is not None
            passed = Origin(
                caller.source,
                value,
                caller.scope,
                caller.statement,
                item,
                starred=starred,
                before=at,
            )
            return self.follow(outer, passed, steps - 1)
        default = default_of(function, at.node.id)
        if default is not None and caller is not None:
            return Origin(at.source, default, at.scope, function, default=True, before=at)
        return at

    def _caller(
        self, index: int, function: Function, at: Origin
    ) -> tuple[UserFrame | Builder | None, int]:
        """Return the frame that called a function of the traceback, or built the object."""
        frame = self._frames[index]
        if frame.function is function:
            around = self._frames[index + 1 :]
            while around and around[0].function is function:  # a comprehension has its own frame
                frame, around = around[0], around[1:]
            called = bool(around) and calls(around[0], frame)
            return (around[0] if called else None), len(self._frames) - len(around)
        owner = at.scope.lookup(function.args.args[0].arg) if function.args.args else UNKNOWN
        if function.name != "__init__" or owner is UNKNOWN:
            return None, index
        return builder_of(self._evidence, owner), len(self._frames) - 1

    def _assigned_attribute(self, at: Origin, node: ast.Attribute) -> Origin | None:
        """Return the assignment of an attribute in the classes of its owner."""
        owner = value_of(node.value, at.scope)
        if owner is UNKNOWN or not hasattr(owner, "__dict__"):
            return None
        for source in class_sources(self._evidence, owner):
            found = list(attribute_assignments(source, owner, node.attr))
            if found:
                first = [one for one in found if one[0].name == "__init__"] or found
                function, statement, value = first[-1]
                scope = Scope(self_of(function, owner), at.scope.world)
                return Origin(source, value, scope, statement)
        return None


def _binding(at: Origin, name: ast.Name) -> Binding | None:
    """Return the last assignment of a name that ran before the expression `at`.

    In a loop that may be a later line. Assignments of another type than the name's value are
    passed over.
    """
    function = at.source.function_of(name)
    every = list(bindings(function.body if function else at.source.tree.body, name.id))
    own = [b for b in every if b.statement is at.statement and not b.looped]
    before = [b for b in every if b.statement.lineno <= name.lineno and b not in own]
    after = [b for b in every if b not in before] if at.source.loops_around(name) else []
    value = at.scope.lookup(name.id)
    found = [b for b in (*reversed(before), *reversed(after)) if _may_be(b, value, at.scope)]
    if found or function is None or every or parameter(at) is not None:
        return next(iter(found), None)
    world = [b for b in bindings(at.source.tree.body, name.id) if _may_be(b, value, at.scope)]
    return world[-1] if world else None


def _may_be(bound: Binding, value: object, scope: Scope) -> bool:
    """Return whether an assignment may have produced a value, by the syntax of its expression."""
    if value is UNKNOWN or bound.item is not None or bound.looped:
        return True
    for display, types in DISPLAYS.items():
        if isinstance(bound.value, display):
            return isinstance(value, types)
    if isinstance(value, float) and isinstance(bound.value, ast.Name):
        return not isinstance(scope.lookup(bound.value.id), int)
    if isinstance(value, float) and isinstance(bound.value, ast.Constant):
        return isinstance(bound.value.value, float) and bound.value.value == value
    return not isinstance(bound.value, ast.Constant) or bound.value.value == value


def parameter(at: Origin) -> Function | None:
    """Return the function that has the name `at` as a parameter."""
    function = at.source.function_of(at.node)
    if function is None or not isinstance(at.node, ast.Name):
        return None
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return function if any(a.arg == at.node.id for a in every) else None
