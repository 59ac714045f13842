"""What a name, an attribute or a key stands for, where the source defines it exactly once."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source


def local_value(source: Source, name: ast.Name) -> ast.expr | None:
    """Return what is assigned to a name, the last time before its use; None if not by `=`."""
    function = source.function_of(name)
    for scope in (function, source.tree) if function is not None else (source.tree,):
        found = [
            (statement.lineno, value)
            for statement in ast.walk(scope)
            if isinstance(statement, ast.Assign | ast.AnnAssign)
            and (scope is not source.tree or source.function_of(statement) is None)
            for target, value in pairs(statement)
            if isinstance(target, ast.Name) and target.id == name.id
        ]
        before = [one for one in found if scope is source.tree or one[0] < name.lineno]
        if before:
            return max(before, key=lambda one: one[0])[1]
    return None


def pairs(statement: ast.Assign | ast.AnnAssign) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield each target of an assignment with its value, those of tuples one by one."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    for target in targets:
        value = statement.value
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            if len(target.elts) == len(value.elts):
                yield from zip(target.elts, value.elts, strict=True)
        elif value is not None:
            yield target, value


def attribute_values(
    evidence: Evidence, source: Source, node: ast.Attribute | ast.Subscript
) -> list[tuple[Source, ast.expr]]:
    """Return what `self.width`, `config.width`, `config["width"]` or `widths[0]` stands for.

    Nothing is returned if several places could define it.
    """
    if isinstance(node, ast.Subscript):
        found = list(_of_key(evidence, source, node))
    elif isinstance(node.value, ast.Name) and node.value.id == "self":
        found = list(_of_self(source, node))
    else:
        found = list(_of_field(evidence, node.attr))
    return found if len(found) == 1 else []


def _of_self(source: Source, node: ast.Attribute) -> Iterator[tuple[Source, ast.expr]]:
    owner = source.class_of(node)
    for statement in ast.walk(owner) if owner is not None else ():
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            for target, value in pairs(statement):
                if source.text_of(target) == f"self.{node.attr}":
                    yield source, value


def _of_field(evidence: Evidence, name: str) -> Iterator[tuple[Source, ast.expr]]:
    """Yield the values of a class attribute, keyword or command-line option of this name."""
    passed: list[tuple[Source, ast.expr]] = []
    defaults: list[tuple[Source, ast.expr]] = []
    for source in evidence.user_sources:
        owners = {n.name: n for n in source.nodes if isinstance(n, ast.ClassDef)}
        fields = {key for key, owner in owners.items() if _field(owner, name) is not None}
        for node in source.nodes:
            if isinstance(node, ast.ClassDef):
                value = _field(node, name)
                defaults += [(source, value)] if value is not None else []
            elif isinstance(node, ast.Call):
                if called_name(node) in {*fields, "SimpleNamespace", "Namespace", "dict"}:
                    passed += [(source, k.value) for k in node.keywords if k.arg == name]
                if called_name(node) == "add_argument" and _is_option(node, name):
                    defaults += [(source, k.value) for k in node.keywords if k.arg == "default"]
    yield from passed or defaults


def _field(owner: ast.ClassDef, name: str) -> ast.expr | None:
    for statement in owner.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            for target, value in pairs(statement):
                if isinstance(target, ast.Name) and target.id == name:
                    return value
    return None


def _is_option(call: ast.Call, name: str) -> bool:
    texts = [a.value for a in call.args if isinstance(a, ast.Constant)]
    return any(str(text).lstrip("-").replace("-", "_") == name for text in texts)


def _of_key(
    evidence: Evidence, source: Source, node: ast.Subscript
) -> Iterator[tuple[Source, ast.expr]]:
    key = node.slice
    if not isinstance(key, ast.Constant):
        return
    if isinstance(key.value, str):
        for one in evidence.user_sources:
            for literal in one.nodes:
                if isinstance(literal, ast.Dict):
                    for name, value in zip(literal.keys, literal.values, strict=True):
                        if isinstance(name, ast.Constant) and name.value == key.value:
                            yield one, value
    elif isinstance(key.value, int) and isinstance(node.value, ast.Name):
        items = local_value(source, node.value)
        if isinstance(items, ast.List | ast.Tuple) and key.value < len(items.elts):
            yield source, items.elts[key.value]
