"""Mistakes in the methods of a module: their names, their arguments, the call of the base class."""

from __future__ import annotations

import ast
import copy
from typing import TYPE_CHECKING

from broken_convnets.commands.wild.faults.edits import replace
from broken_convnets.commands.wild.faults.find import classes, methods, statements
from broken_convnets.commands.wild.faults.registry import loud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.wild.faults.edits import Site

SPELLINGS = ("foward", "forwards", "Forward")


@loud("module/misspelled_forward", "NotImplementedError")
def misspelled_forward(tree: ast.Module) -> Iterator[Site]:
    """Misspell the name of `forward`."""
    for function in methods(tree):
        if function.name == "forward":
            for name in SPELLINGS:
                renamed = copy.copy(function)
                renamed.name = name
                yield replace(function, renamed)


@loud("module/forward_missing_self", "TypeError")
def forward_missing_self(tree: ast.Module) -> Iterator[Site]:
    """Leave `self` out of the arguments of `forward`."""
    for function in methods(tree):
        if function.name == "forward" and len(function.args.args) > 1:
            changed, arguments = copy.copy(function), copy.copy(function.args)
            arguments.args = arguments.args[1:]
            changed.args = arguments
            yield replace(function, changed)


@loud("module/missing_super_init", "AttributeError")
def missing_super_init(tree: ast.Module) -> Iterator[Site]:
    """Leave `super().__init__()` out."""
    for owner in classes(tree):
        for node in statements(owner):
            if ast.unparse(node) == "super().__init__()":
                yield replace(node)
