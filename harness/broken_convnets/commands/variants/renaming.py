"""Give variables and attributes other names, in all sides alike."""

from __future__ import annotations

import ast
import builtins
import re
from typing import TYPE_CHECKING

from broken_convnets.commands.variants import words
from broken_convnets.commands.variants.naming import MODULE_NAMES, choose, strings
from broken_convnets.commands.variants.program_pair import INTERFACE, ProgramPair
from broken_convnets.commands.variants.syntax import dotted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

KEPT = INTERFACE | {"self", "cls", "batch_size", "_"}
STRINGS = {
    "register_buffer",
    "register_parameter",
    "add_module",
    "getattr",
    "setattr",
    "startswith",
}


def variables(pair: ProgramPair, rng: Random) -> bool:
    """Rename arguments, variables and comprehension variables."""
    taken = _untouchable(pair)
    names = sorted(_bound(pair.nodes()) - taken - _keywords_of_methods(pair))
    chosen = choose(pair, rng, names, share=0.7)
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


def _untouchable(pair: ProgramPair) -> set[str]:
    """Return what must keep its name: the interface, imports, definitions, Python's own."""
    defined = {
        node.name for node in pair.nodes() if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for node in pair.nodes()
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    return {*KEPT, *defined, *imported, *dir(builtins)}


def callables(pair: ProgramPair) -> set[str]:
    """Return the names of the functions and classes that a program defines."""
    return {
        node.name
        for side in pair.sides
        for node in side.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


def _keywords_of_methods(pair: ProgramPair) -> set[str]:
    """Return arguments of methods that are given by keyword: whose they are cannot be seen."""
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


def attributes(pair: ProgramPair, rng: Random) -> bool:
    """Rename attributes that the program itself makes, and its own methods."""
    stored, roles = _stored(pair)
    methods = [_methods(side) for side in pair.sides]
    everywhere = methods[0].intersection(*methods)
    own = (stored | everywhere) - MODULE_NAMES - (methods[0].union(*methods) - everywhere)
    names = sorted(_plain(pair, {name for name in own if not name.startswith("_")}))
    chosen = choose(pair, rng, names, share=0.7, role=roles)
    if chosen:
        pair.replace(_Attributes(chosen))
        pair.record_names(chosen)
    return bool(chosen)


def _methods(side: ast.Module) -> set[str]:
    return {
        node.name
        for owner in side.body
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
        if isinstance(node, ast.FunctionDef)
    }


def _stored(pair: ProgramPair) -> tuple[set[str], dict[str, str]]:
    """Return the attributes that are set on `self`, and what kind of layer each is."""
    stored: set[str] = set()
    roles: dict[str, str] = {}
    for node in pair.nodes():
        if isinstance(node, ast.Assign):
            for target in node.targets:
                parts = target.elts if isinstance(target, ast.Tuple) else [target]
                for part in parts:
                    if isinstance(part, ast.Attribute) and dotted(part.value) == "self":
                        stored.add(part.attr)
                        roles.setdefault(part.attr, _role(node.value))
        elif isinstance(node, ast.Call) and dotted(node.func) == "self.register_buffer":
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                stored.add(first.value)
    return stored, roles


def _role(value: ast.expr) -> str:
    made = dotted(value.func).rpartition(".")[2] if isinstance(value, ast.Call) else ""
    return next((role for role in words.LAYERS if role in made), "")


def _plain(pair: ProgramPair, names: set[str]) -> set[str]:
    """Return the names whose every use is clearly an attribute of a network or a data set."""
    handles = _handles(pair)
    unclear = {
        node.attr
        for node in pair.nodes()
        if isinstance(node, ast.Attribute) and dotted(node.value).partition(".")[0] not in handles
    }
    spoken = [text for text in strings(pair) if text.partition(".")[0] not in names]
    unclear |= {word for text in spoken for word in re.findall(r"\w+", text)}
    return names - unclear


def _handles(pair: ProgramPair) -> set[str]:
    """Return the variables that hold networks, as far as their use tells."""
    made = callables(pair)
    found = {"self"}
    for side in pair.sides:
        found |= {
            node.args.args[0].arg
            for node in side.body
            if isinstance(node, ast.FunctionDef) and node.name != "score" and node.args.args
        }
    for node in pair.nodes():
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and dotted(node.value.func) in made
        ):
            found |= {dotted(target) for target in node.targets}
    return found


class _Attributes(ast.NodeTransformer):
    """Renames attributes and methods, and names of attributes given as strings."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.attr = self._names.get(node.attr, node.attr)
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef):
                inner.name = self._names.get(inner.name, inner.name)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = dotted(node.func).rpartition(".")[2] or getattr(node.func, "attr", "")
        if called in STRINGS:
            for value in node.args:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    name, dot, rest = value.value.partition(".")
                    value.value = f"{self._names.get(name, name)}{dot}{rest}"
        return self.generic_visit(node)
