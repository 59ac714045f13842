"""Small helpers for Python syntax trees: find statements, classes and names, and parse text."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def simple_statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements that hold no other."""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and not hasattr(node, "body"):
            yield node


def modules(tree: ast.Module) -> Iterator[ast.ClassDef]:
    """Yield the classes that are networks or layers, by the look of their methods."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and method(node, "forward") and method(node, "__init__"):
            yield node


def method(owner: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    """Return a class's method by its name."""
    for node in owner.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    return None


def expression(text: str) -> ast.expr:
    """Return the tree of an expression."""
    return ast.parse(text, mode="eval").body


def statements(text: str) -> list[ast.stmt]:
    """Return the trees of some statements."""
    return ast.parse(text).body


def dotted(node: ast.AST) -> str:
    """Return `torch.nn.Linear` for such a chain of names; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def identifiers(nodes: Iterable[ast.AST]) -> set[str]:
    """Return every name that occurs as a variable, an argument, a definition or an import."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
    return found
