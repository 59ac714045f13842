"""Rename attributes, equally on every side."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from broken_convnets.commands.variants import words
from broken_convnets.commands.variants.naming import MODULE_NAMES, choose_names, strings
from broken_convnets.commands.variants.roles import layer_roles
from broken_convnets.commands.variants.syntax import dotted
from broken_convnets.commands.variants.variable_names import callables

if TYPE_CHECKING:
    from random import Random

    from broken_convnets.commands.variants.program_pair import ProgramPair

NAME_FUNCTIONS = {
    "register_buffer",
    "register_parameter",
    "add_module",
    "getattr",
    "setattr",
    "startswith",
}  # their string arguments name attributes


def attributes(pair: ProgramPair, rng: Random) -> bool:
    """Rename the attributes that hold a layer whose class is known."""
    roles = layer_roles(pair)
    names = _unambiguous(pair, set(roles) - MODULE_NAMES - _methods(pair))
    known = {name: role for name, role in roles.items() if name in names}
    chosen = choose_names(pair, rng, known, words.LAYERS)
    if chosen:
        pair.replace(_Attributes(chosen))
        pair.record_names(chosen)
    return bool(chosen)


def _methods(pair: ProgramPair) -> set[str]:
    return {
        node.name
        for owner in pair.nodes()
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
        if isinstance(node, ast.FunctionDef)
    }


def _unambiguous(pair: ProgramPair, names: set[str]) -> set[str]:
    """Return the names that are only used as attributes of a network or a dataset."""
    networks = _network_variables(pair)
    unclear = {
        node.attr
        for node in pair.nodes()
        if isinstance(node, ast.Attribute) and dotted(node.value).partition(".")[0] not in networks
    }
    texts = [text for text in strings(pair) if text.partition(".")[0] not in names]
    unclear |= {word for text in texts for word in re.findall(r"\w+", text)}
    return names - unclear


def _network_variables(pair: ProgramPair) -> set[str]:
    """Return the variables that are networks, as far as their use shows."""
    constructors = callables(pair)
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
            and dotted(node.value.func) in constructors
        ):
            found |= {dotted(target) for target in node.targets}
    return found


class _Attributes(ast.NodeTransformer):
    """Renames attributes, and names of attributes in strings."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.attr = self._names.get(node.attr, node.attr)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = dotted(node.func).rpartition(".")[2] or getattr(node.func, "attr", "")
        if called in NAME_FUNCTIONS:
            for value in node.args:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    name, dot, rest = value.value.partition(".")
                    value.value = f"{self._names.get(name, name)}{dot}{rest}"
        return self.generic_visit(node)
