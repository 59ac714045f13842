"""Rename the network's class and its helpers, and reword the docstring."""

from __future__ import annotations

import ast
import builtins
import re
from typing import TYPE_CHECKING

from broken_convnets.commands.variants import words
from broken_convnets.commands.variants.program_pair import INTERFACE, ProgramPair, with_marks_of
from broken_convnets.commands.variants.syntax import identifiers, statements
from broken_convnets.commands.variants.variable_names import callables

if TYPE_CHECKING:
    from random import Random


def helpers(pair: ProgramPair, rng: Random) -> bool:
    """Rename the other classes and functions of the program."""
    names = sorted(callables(pair) - INTERFACE)
    used = identifiers(pair.nodes()) | set(dir(builtins))
    chosen = {}
    for name in names:
        known = words.CLASSES.get(name) or words.VARIABLES.get(name) or ()
        forms = words.FALLBACK_CLASS if name[0].isupper() else words.FALLBACK
        free = [new for new in (*known, *(f.format(name) for f in forms)) if new not in used]
        chosen[name] = rng.choice(free[: len(known) or None])
        used.add(chosen[name])
    return _rename_definitions(pair, chosen)


def network(pair: ProgramPair, rng: Random) -> bool:
    """Rename the class of the network, and keep `Net` as an alias."""
    used = identifiers(pair.nodes())
    new = rng.choice([name for name in words.NETWORKS if name not in used])
    if not _rename_definitions(pair, {"Net": new}):
        return False
    for side in pair.sides:
        position = next(
            number
            for number, node in enumerate(side.body)
            if isinstance(node, ast.ClassDef) and node.name == new
        )
        side.body[position + 1 : position + 1] = statements(f"Net = {new}")
    return True


def _rename_definitions(pair: ProgramPair, chosen: dict[str, str]) -> bool:
    if chosen:
        pair.replace(_Definitions(chosen))
        pair.record_names(chosen)
    return bool(chosen)


class _Definitions(ast.NodeTransformer):
    """Renames the classes and functions of the module, and their uses."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit_Module(self, node: ast.Module) -> ast.AST:
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef | ast.ClassDef):
                inner.name = self._names.get(inner.name, inner.name)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return with_marks_of(ast.Name(self._names.get(node.id, node.id), node.ctx), node)


def intent(pair: ProgramPair, rng: Random) -> bool:
    """Reword the docstring."""
    first = pair.sides[0].body[0]
    if not isinstance(first, ast.Expr) or not isinstance(first.value, ast.Constant):
        return False
    old = str(first.value.value)
    new = old
    for word, others in words.PROSE.items():
        if rng.random() < 0.6:  # noqa: PLR2004  (some words)
            new = re.sub(rf"\b{word}\b", rng.choice(others), new, count=1)
    for side in pair.sides:
        prose = side.body[0]
        if isinstance(prose, ast.Expr) and isinstance(prose.value, ast.Constant):
            prose.value.value = new
    return new != old
