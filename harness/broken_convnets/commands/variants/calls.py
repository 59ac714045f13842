"""Find calls of torch's functions in a program, and rewrite them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.program_pair import ProgramPair, raises, with_marks_of
from broken_convnets.commands.variants.syntax import dotted, expression, identifiers

if TYPE_CHECKING:
    from collections.abc import Callable

    Rewrite = Callable[[ast.Call], ast.expr | None]

FUNCTIONAL = ("F", "functional", "nn.functional", "torch.nn.functional")


def functional_name(pair: ProgramPair) -> str:
    """Return a name for torch.nn.functional that is valid on every side."""
    uses = [{dotted(node) for node in ast.walk(side)} for side in pair.sides]
    for name in FUNCTIONAL:
        if all(name in used for used in uses):
            return name
    used_names = [identifiers(ast.walk(side)) for side in pair.sides]
    if all("nn" in names for names in used_names) and not any("F" in names for names in used_names):
        return "nn.functional"
    return "torch.nn.functional"


def layer_name(pair: ProgramPair) -> str:
    """Return the name of torch.nn in the program."""
    names = {dotted(node) for node in ast.walk(pair.sides[0])}
    return "nn" if "nn.Module" in names else "torch.nn"


class Calls(ast.NodeTransformer):
    """Rewrites calls, innermost first, except the one that raises."""

    def __init__(self, rewrite: Rewrite) -> None:
        """Use `rewrite`, which returns None for a call that stays as it is."""
        self._rewrite = rewrite
        self.count = 0

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Rewrite one call."""
        self.generic_visit(node)
        new = None if raises(node) else self._rewrite(node)
        if new is None:
            return node
        self.count += 1
        return with_marks_of(new, node)


def rewritten(pair: ProgramPair, rewrite: Rewrite) -> bool:
    """Rewrite the calls of every side; return whether any was rewritten."""
    transformer = Calls(rewrite)
    pair.replace(transformer)
    return transformer.count > 0


def call(function: ast.expr | str, arguments: list[ast.expr], words: list[ast.keyword]) -> ast.Call:
    """Return a call of a function or of a dotted name."""
    called = expression(function) if isinstance(function, str) else function
    return ast.Call(called, arguments, words)


def attribute_of(value: ast.expr, name: str) -> ast.Attribute:
    """Return `value.name`."""
    return ast.Attribute(value, name, ast.Load())


def is_of_torch(node: ast.Call, function: str) -> bool:
    """Return whether a node calls this function of torch, by any of its names."""
    name = dotted(node.func)
    spelt = {f"torch.{function}", *(f"{base}.{function}" for base in FUNCTIONAL)}
    return name in spelt and bool(node.args) and not isinstance(node.args[0], ast.Starred)
