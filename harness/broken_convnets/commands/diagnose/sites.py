"""The syntax at a recorded place, and the candidates that rules often offer there."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.edits import EditError
from broken_convnets.commands.diagnose.findings import Candidate, Location
from broken_convnets.commands.diagnose.registry import NotApplicable
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.places import Place


@dataclass(frozen=True)
class Site:
    """A call in the user's source, and the statement that it is a part of."""

    source: Source
    call: ast.Call
    statement: ast.stmt

    @property
    def receiver(self) -> str:
        """What a method is called on: `self.net` for `self.net.eval()`; empty for a function."""
        function = self.call.func
        return self.source.text_of(function.value) if isinstance(function, ast.Attribute) else ""

    @property
    def called(self) -> str:
        """What is called: `self.net` for `self.net(x)`."""
        return self.source.text_of(self.call.func)

    @property
    def outermost(self) -> ast.stmt:
        """The outermost loop around the call in its function; the statement if there is none."""
        loops = self.source.loops_around(self.call)
        return loops[-1] if loops else self.statement

    def shares_block(self, other: Site) -> bool:
        """Return whether both statements are in one list of statements."""
        if self.source is not other.source:
            return False
        block = self.source.block_of(self.statement)
        return any(one is other.statement for one in block)


def site_of(evidence: Evidence, places: Sequence[Place]) -> Site | None:
    """Return the call at the innermost place; None if its source cannot be read."""
    source = evidence.source(places[0].file) if places else None
    call = source.call_at(places[0]) if source else None
    statement = source.statement_of(call) if source and call else None
    return Site(source, call, statement) if source and call and statement else None


def location(places: Sequence[Place]) -> Location | None:
    """Return the innermost place as the location of a finding."""
    return Location(places[0].file, places[0].line) if places else None


def location_in(source: Source, node: ast.stmt | ast.expr) -> Location:
    """Return where a node of the user's syntax is."""
    return Location(source.path, node.lineno)


def candidates(*attempts: tuple[int, Callable[[], Patch]]) -> tuple[Candidate, ...]:
    """Return the patches that are possible, those of the lowest rank first; equal ones once."""
    found: list[Candidate] = []
    for rank, attempt in sorted(attempts, key=lambda one: one[0]):
        try:
            patch = attempt()
        except EditError:
            continue
        if all(patch != one.patch for one in found):
            found.append(Candidate(patch, rank))
    return tuple(found)


def assignments(source: Source, name: str, scope: ast.AST) -> list[ast.Assign]:
    """Return the assignments of one name or attribute inside a function or module."""
    return [
        node
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign)
        and any(source.text_of(target) == name for target in node.targets)
    ]


def assigned_name(source: Source, statement: ast.stmt) -> str:
    """Return what a statement assigns to, if that is one name or attribute; else nothing."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return ""
    target = statement.targets[0]
    return source.text_of(target) if isinstance(target, ast.Name | ast.Attribute) else ""


def calls_named(evidence: Evidence, *names: str) -> Iterator[tuple[Source, ast.Call]]:
    """Yield the calls in the user's files of functions and methods with one of these names."""
    for source in evidence.user_sources:
        for node in source.expressions:
            if isinstance(node, ast.Call) and called_name(node) in names:
                yield source, node


def require_success(evidence: Evidence) -> None:
    """Leave programs that failed to the rules about failures; raises NotApplicable."""
    if evidence.error is not None:
        reason = "the program failed before its end"
        raise NotApplicable(reason)
