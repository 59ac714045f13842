"""Where the user's files assign an attribute, and whether they read it anywhere."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

REFLECTION = frozenset({"getattr", "hasattr", "attrgetter", "vars"})


@dataclass(frozen=True, eq=False)
class Assigned:
    """`owner.name = value`, `owner["name"] = value` or an augmented assignment."""

    source: Source
    statement: ast.Assign | ast.AugAssign
    target: ast.Attribute | ast.Subscript

    @property
    def owner(self) -> str:
        """The text of what has the attribute or the key."""
        return self.source.text_of(self.target.value)

    @property
    def owner_name(self) -> str:
        """The last part of that text: `optimizer` for `self.optimizer`."""
        return _owner(self.source, self.target)

    @property
    def value(self) -> str:
        """The text of the value."""
        return self.source.text_of(self.statement.value)

    @property
    def sign(self) -> str:
        """The text between target and value: `=`, `*=`."""
        between = self.source.text_of(self.statement)[len(self.source.text_of(self.target)) :]
        return between[: len(between) - len(self.value)].strip()


def assigned(evidence: Evidence, name: str) -> Iterator[Assigned]:
    """Yield the assignments to an attribute or key of a name, with a single target."""
    for source in evidence.user_sources:
        for node in source.statements:
            target = _target(node)
            if target is None or _name(target) != name:
                continue
            if isinstance(node, ast.Assign | ast.AugAssign):
                yield Assigned(source, node, target)


def is_read(evidence: Evidence, name: str, owners: frozenset[str] | None = None) -> bool:
    """Return whether user files read an attribute or key of a name, other than to print it.

    With `owners`, those whose last part is none of them are left aside.
    """
    for source in evidence.user_sources:
        for node in source.expressions:
            if isinstance(node, ast.Call) and _asks_for(node, name):
                return True
            if not isinstance(node, ast.Attribute | ast.Subscript) or _name(node) != name:
                continue
            known = owners is None or _owner(source, node) in owners
            if known and isinstance(node.ctx, ast.Load) and not _is_shown(source, node):
                return True
    return False


def optimizer_names(evidence: Evidence) -> frozenset[str]:
    """Return the last parts of the names whose `param_groups`, `step` or `zero_grad` is used."""
    return frozenset(
        _owner(source, node)
        for source in evidence.user_sources
        for node in source.expressions
        if isinstance(node, ast.Attribute) and node.attr in {"param_groups", "step", "zero_grad"}
    )


def _asks_for(call: ast.Call, name: str) -> bool:
    names = (a.value for a in call.args if isinstance(a, ast.Constant))
    return called_name(call) in REFLECTION and name in names


def _owner(source: Source, node: ast.Attribute | ast.Subscript) -> str:
    return source.text_of(node.value).rpartition(".")[2].partition("[")[0]


def _target(node: ast.stmt) -> ast.Attribute | ast.Subscript | None:
    target: ast.expr | None = node.target if isinstance(node, ast.AugAssign) else None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    return target if isinstance(target, ast.Attribute | ast.Subscript) else None


def _name(node: ast.Attribute | ast.Subscript) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    key = node.slice
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""


def _is_shown(source: Source, node: ast.expr) -> bool:
    """Return whether an expression is inside of print() or an f-string."""
    return any(
        isinstance(one, ast.FormattedValue)
        or (isinstance(one, ast.Call) and called_name(one) == "print")
        for one in source.ancestors(node)
    )
