"""Find nodes of a program by what they are."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.syntax import dotted

if TYPE_CHECKING:
    from collections.abc import Iterator


def classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    """Yield the classes of a program."""
    return (node for node in tree.body if isinstance(node, ast.ClassDef))


def methods(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Yield the methods of all classes."""
    for owner in classes(tree):
        for node in owner.body:
            if isinstance(node, ast.FunctionDef):
                yield node


def forwards(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Yield the methods that are part of a forward pass, by their names."""
    return (node for node in methods(tree) if "forward" in node.name)


def constructors(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Yield the methods and functions that create layers: those with no forward pass."""
    others = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    runs = {"run", "example_inputs", "example_targets"}
    for node in (*methods(tree), *others):
        if "forward" not in node.name and node.name not in runs:
            yield node


def outermost(tree: ast.Module) -> set[str]:
    """Return the names that `Net` uses: its own, its base class, and the model that it creates."""
    net = next((one for one in classes(tree) if one.name == "Net"), None)
    found = ast.walk(net) if net else ()
    return {"Net", *(node.id for node in found if isinstance(node, ast.Name))}


def function(tree: ast.Module, name: str) -> ast.FunctionDef | None:
    """Return a function of the top level by its name."""
    found = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return next((node for node in found if node.name == name), None)


def run_of(tree: ast.Module) -> list[ast.stmt]:
    """Return all statements of the function `run`, and those inside of them."""
    found = function(tree, "run")
    return statements(found) if found else []


def statements(node: ast.AST) -> list[ast.stmt]:
    """Return the statements inside a node, at all depths, in their order."""
    found = [one for one in ast.walk(node) if isinstance(one, ast.stmt) and one is not node]
    return sorted(found, key=lambda one: (one.lineno, one.col_offset))


def calls(node: ast.AST, *names: str) -> Iterator[ast.Call]:
    """Yield the calls inside a node of a function or class with one of these last names."""
    for one in ast.walk(node):
        if isinstance(one, ast.Call) and last_name(one.func) in names:
            yield one


def last_name(node: ast.expr) -> str:
    """Return `relu` for `torch.relu`, `F.relu` and `x.relu`; empty for other expressions."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def assigned_call(node: ast.stmt) -> tuple[str, ast.Call] | None:
    """Return `x` and the call of a statement `x = call(...)`; None for other statements."""
    if (
        isinstance(node, ast.Assign)
        and len(node.targets) == 1
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
    ):
        return node.targets[0].id, node.value
    return None


def layer_call(node: ast.stmt) -> tuple[str, ast.Call] | None:
    """Return `x` and the call of a statement `x = self.layer(y)`; None for other statements."""
    found = assigned_call(node)
    if found and dotted(found[1].func).startswith("self.") and len(found[1].args) == 1:
        return found
    return None


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    """Return an argument of a call, by position or by name."""
    if position < len(call.args):
        return call.args[position]
    return next((one.value for one in call.keywords if one.arg == name), None)


def keyword(call: ast.Call, name: str) -> ast.keyword | None:
    """Return a keyword argument of a call."""
    return next((one for one in call.keywords if one.arg == name), None)
