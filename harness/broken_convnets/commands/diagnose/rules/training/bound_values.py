"""The expressions that a name may have as its value, in the user's source."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.rules.loss.counters import own_nodes, scope_of
from broken_convnets.commands.diagnose.source import FUNCTIONS, argument, called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

ADDING = frozenset({"append", "extend"})  # to a list


@dataclass(frozen=True)
class Bound:
    """An expression in a file; with `item`, that item of the tuple that it is."""

    source: Source
    node: ast.expr
    item: int | None = None

    def at(self, node: ast.expr) -> Bound:
        """Return another expression of the same file."""
        return replace(self, node=node, item=None)


def bound_values(evidence: Evidence, name: Bound) -> list[Bound] | None:
    """Return what a name or an attribute is assigned, or what is added to it.

    None if a statement binds it in a way that is not followed: a loop, an import, a default.
    """
    source, text = name.source, name.source.text_of(name.node)
    scope = source.tree if "." in text else scope_of(source, name.node)
    nodes = source.nodes if "." in text else list(own_nodes(scope))
    found: list[Bound] = []
    for node in nodes:
        if isinstance(node, ast.Name | ast.Attribute) and not isinstance(node.ctx, ast.Load):
            if source.text_of(node) == text and _same_class(source, node, name.node):
                bound = assigned_to(source, node)
                if bound is None:
                    return None
                found.append(bound)
        elif isinstance(node, ast.Call) and _adds_to(source, node, text):
            found.append(Bound(source, node.args[0]))
    return found or _arguments(evidence, source, scope, text)


def _same_class(source: Source, one: ast.AST, other: ast.AST) -> bool:
    """Return whether two attributes, by their text the same, belong to one class."""
    return isinstance(one, ast.Name) or source.class_of(one) is source.class_of(other)


def assigned_to(source: Source, target: ast.expr) -> Bound | None:
    """Return what a statement assigns to one of its targets."""
    parent = source.parent(target)
    if isinstance(parent, ast.AugAssign) and not isinstance(parent.op, ast.Add | ast.Div):
        return None
    if isinstance(parent, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return Bound(source, parent.value) if parent.value is not None else None
    owner = source.parent(parent) if isinstance(parent, ast.Tuple) else None
    if not isinstance(parent, ast.Tuple) or not isinstance(owner, ast.Assign):
        return None
    at = parent.elts.index(target)
    if isinstance(owner.value, ast.Tuple) and len(owner.value.elts) == len(parent.elts):
        return Bound(source, owner.value.elts[at])
    return Bound(source, owner.value, at)


def _adds_to(source: Source, call: ast.Call, text: str) -> bool:
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr not in ADDING:
        return False
    return len(call.args) == 1 and source.text_of(function.value) == text


def _arguments(evidence: Evidence, source: Source, scope: ast.AST, name: str) -> list[Bound] | None:
    """Return what the calls of a function have as its argument `name`."""
    names = [one.arg for one in scope.args.args] if isinstance(scope, FUNCTIONS[:2]) else []
    if not isinstance(scope, FUNCTIONS[:2]) or name not in names:
        return None
    owner = source.class_of(scope)
    at = names.index(name) - (1 if owner else 0)
    calls = _calls_of(evidence, scope.name, owner.name if owner else "")
    found = [(where, argument(call, name, at)) for where, call in calls]
    given = [Bound(where, node) for where, node in found if node is not None]
    return given or [Bound(source, one) for one in _defaults(scope.args, name)]


def _defaults(parameters: ast.arguments, name: str) -> list[ast.expr]:
    """Return the default of a parameter, if it has one."""
    names = [one.arg for one in parameters.args][-len(parameters.defaults) :]
    pairs = zip(names, parameters.defaults, strict=False)
    return [default for one, default in pairs if one == name]


def _calls_of(evidence: Evidence, name: str, owner: str) -> Iterator[tuple[Source, ast.Call]]:
    """Yield the calls of a function, or of the objects of its class if it is `__call__`."""
    name = owner if name == "__init__" else name
    for source in evidence.user_sources:
        made = _objects(source, owner) if name == "__call__" else set()
        for node in source.expressions:
            if isinstance(node, ast.Call) and (
                called_name(node) == name or source.text_of(node.func) in made
            ):
                yield source, node


def _objects(source: Source, owner: str) -> set[str]:
    """Return the texts of what is assigned an object of a class."""
    targets = (
        node
        for node in source.expressions
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store)
    )
    pairs = ((target, assigned_to(source, target)) for target in targets)
    return {
        source.text_of(target)
        for target, bound in pairs
        if bound is not None and isinstance(bound.node, ast.Call)
        if bound.item is None and called_name(bound.node) == owner
    }


def returned_by(evidence: Evidence, call: ast.Call, item: int | None) -> list[Bound] | None:
    """Return the results of the only function of the called name, or one item of each."""
    name = called_name(call)
    functions = [
        (source, node)
        for source in evidence.user_sources
        for node in source.nodes
        if isinstance(node, FUNCTIONS[:2]) and node.name == name
    ]
    if len(functions) != 1:
        return None
    source, function = functions[0]
    results = [n.value for n in own_nodes(function) if isinstance(n, ast.Return) and n.value]
    if item is None:
        return [Bound(source, one) for one in results] or None
    tuples = [one for one in results if isinstance(one, ast.Tuple) and item < len(one.elts)]
    if not results or len(tuples) != len(results):
        return None
    return [Bound(source, one.elts[item]) for one in tuples]
