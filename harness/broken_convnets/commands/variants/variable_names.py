"""Rename arguments and variables, equally on every side."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING

from broken_convnets.commands.variants import words
from broken_convnets.commands.variants.naming import choose_names
from broken_convnets.commands.variants.program_pair import INTERFACE, ProgramPair
from broken_convnets.commands.variants.roles import variable_roles

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

FIXED_NAMES = INTERFACE | {"self", "cls", "batch_size", "_"}


def variables(pair: ProgramPair, rng: Random) -> bool:
    """Rename the arguments and variables whose role is known."""
    names = _bound(pair.nodes()) - _reserved(pair) - _method_keywords(pair)
    roles = {name: role for name, role in variable_roles(pair).items() if name in names}
    chosen = choose_names(pair, rng, roles, words.VARIABLES)
    if chosen:
        pair.replace(_Variables(chosen, callables(pair)))
        pair.record_names(chosen)
    return bool(chosen)


def _bound(nodes: Iterable[ast.AST]) -> set[str]:
    found = set()
    for node in nodes:
        if isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def _reserved(pair: ProgramPair) -> set[str]:
    """Return names that must stay: the interface, imports, definitions, builtins."""
    defined = {
        node.name for node in pair.nodes() if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for node in pair.nodes()
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    return {*FIXED_NAMES, *defined, *imported, *dir(builtins)}


def callables(pair: ProgramPair) -> set[str]:
    """Return the names of the functions and classes that a program defines."""
    return {
        node.name
        for side in pair.sides
        for node in side.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


def _method_keywords(pair: ProgramPair) -> set[str]:
    """Return arguments that a method call passes by keyword: the method is unknown."""
    arguments = {
        argument.arg
        for node in pair.nodes()
        if isinstance(node, ast.FunctionDef)
        for argument in node.args.args
    }
    methods = {
        node.name
        for owner in pair.nodes()
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
        if isinstance(node, ast.FunctionDef)
    }
    given = {
        word.arg or ""
        for node in pair.nodes()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in methods
        for word in node.keywords
    }
    return arguments & given


class _Variables(ast.NodeTransformer):
    """Renames variables, and keywords in calls of the program's own functions and classes."""

    def __init__(self, names: dict[str, str], callables: set[str]) -> None:
        self._names = names
        self._callables = callables

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self._names.get(node.id, node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg = self._names.get(node.arg, node.arg)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = self._names.get(node.name or "", node.name)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id in self._callables:
            for word in node.keywords:
                word.arg = self._names.get(word.arg or "", word.arg)
        return self.generic_visit(node)
