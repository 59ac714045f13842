"""The contract for a program's code: what it may import, use and assign to.

`lint` and `reproduce` hold the corpus to it, `learn` and `score` hold learners' programs and
patches to it. None of them runs a program that violates it. It is the first of several defenses
(docs/verification.md): it refuses the short ways to change what is observed, and says in which
line.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.corpus.allowed_names import (
    BY_NAME,
    KEPT_METHODS,
    REFUSED_FUNCTIONS,
    SEEDING,
    SETTINGS,
    SPECIAL_METHODS,
    STANDARD,
    SUBMODULES,
    may_become_refused,
    refused_attribute,
    why_refused,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

GUARD = "__name__ == '__main__'"


def check_contract(tree: ast.Module) -> list[str]:
    """Return a sentence for each violation, in the order of the lines: "line 3 uses ..."."""
    found = _Contract(tree).violations()
    return [f"line {line} {text}" for line, text in sorted(dict.fromkeys(found))]


class _Contract:
    """Checks one program; knows what its names were imported as, and each node's parent."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._imported = dict(_imported_names(tree))
        self._parents = {
            child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)
        }

    def violations(self) -> Iterator[tuple[int, str]]:
        for node in ast.walk(self._tree):
            for text in self._check(node):
                yield getattr(node, "lineno", 0), text

    def _check(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _check_import(node)
        elif isinstance(node, ast.Attribute):
            yield from self._check_attribute(node)
        elif isinstance(node, ast.Name):
            yield from self._check_name(node)
        elif isinstance(node, ast.Call):
            yield from _check_call(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from self._check_definition(node)
        elif isinstance(node, ast.MatchClass):
            yield from map(_uses, filter(refused_attribute, node.kwd_attrs))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from self._check_text(node, node.value)

    def _check_definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
        if node.name.startswith("__") and node.name not in SPECIAL_METHODS:
            yield f"defines {node.name}: a program defines no such method"
        elif self._is_kept(node, node.name):
            yield f"defines {node.name}: a network leaves this to torch"

    def _is_kept(self, node: ast.AST, name: str) -> bool:
        """Return whether what defines a name in a class would replace a method of networks."""
        parent = self._parents[node]
        while isinstance(parent, ast.Assign | ast.AnnAssign | ast.Tuple):
            parent = self._parents[parent]
        if not isinstance(parent, ast.ClassDef):
            return False
        others = {one.name for one in parent.body if isinstance(one, ast.FunctionDef)}
        return name in KEPT_METHODS | {"training"} or (name == "__call__" and "forward" in others)

    def _check_attribute(self, node: ast.Attribute) -> Iterator[str]:
        path = self._path(node)
        reason = why_refused(path) if path else ""
        if reason:
            yield f"uses {path}, which {reason}"
        elif refused_attribute(node.attr) or (_is_private(node.attr) and not _is_own(node.value)):
            yield _uses(node.attr)
        elif path in SUBMODULES and self._is_value(node):
            yield f"uses the module {path} as a value: use its functions and classes"
        if path in SEEDING and self._is_in_function(node):
            yield f"uses {path} in a function: it hides randomness from whoever runs the program"
        if not isinstance(node.ctx, ast.Load) and node.attr in KEPT_METHODS:
            yield f"replaces {node.attr}: a network leaves this to torch"
        if not isinstance(node.ctx, ast.Load) and self._is_foreign(node.value):
            yield f"changes {ast.unparse(node)}: a program changes only what is its own"

    def _check_name(self, node: ast.Name) -> Iterator[str]:
        path = self._imported.get(node.id, "")
        if node.id.startswith("__") and not self._is_guard(node):
            yield f"uses {node.id}: only `if {GUARD}:` may"
        elif node.id in REFUSED_FUNCTIONS:
            yield f"uses {node.id}: it can reach or run anything"
        elif node.id in BY_NAME and self._is_value(node):
            yield f"uses {node.id} as a value: call it with a literal name"
        elif isinstance(node.ctx, ast.Store) and self._is_kept(node, node.id):
            yield f"defines {node.id}: a network leaves this to torch"
        elif path in SEEDING and self._is_in_function(node):
            yield f"uses {path} in a function: it hides randomness from whoever runs the program"
        elif path and isinstance(node.ctx, ast.Store):
            yield f"assigns to {node.id}, which is imported: choose another name"
        elif self._is_module(path) and self._is_value(node):
            yield f"uses the module {path} as a value: use its functions and classes"

    def _check_text(self, node: ast.Constant, text: str) -> Iterator[str]:
        parent = self._parents[node]
        begins = not isinstance(parent, ast.JoinedStr) or parent.values[0] is node
        if (begins and (text.startswith(("/", "~")) and len(text) > 1)) or "../" in text:
            yield f"names {text!r}: a program reads and writes only in its own folder"

    def _path(self, node: ast.expr) -> str:
        """Return the full name of `F.relu` where F is imported; empty for anything else."""
        if isinstance(node, ast.Name):
            return self._imported.get(node.id, "")
        if isinstance(node, ast.Attribute):
            before = self._path(node.value)
            return before and f"{before}.{node.attr}"
        return ""

    def _is_foreign(self, node: ast.expr) -> bool:
        """Return whether an expression is a module, or a class or function of one."""
        path = self._path(node)
        of_type = isinstance(node, ast.Call) and ast.unparse(node.func) in {"super", "type"}
        return bool(path and not path.startswith(SETTINGS)) or of_type

    def _is_module(self, path: str) -> bool:
        return path in SUBMODULES or (bool(path) and "." not in path)

    def _is_value(self, node: ast.expr) -> bool:
        """Return whether an expression is more than the base of an attribute or a call."""
        parent = self._parents[node]
        is_function = isinstance(parent, ast.Call) and parent.func is node
        return not (isinstance(parent, ast.Attribute) or is_function)

    def _is_in_function(self, node: ast.AST) -> bool:
        while node in self._parents:
            node = self._parents[node]
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                return True
        return False

    def _is_guard(self, node: ast.Name) -> bool:
        test = self._parents[node]
        statement = self._parents.get(test)
        return (
            isinstance(statement, ast.If)
            and statement in self._tree.body
            and ast.unparse(test) == GUARD
            and not statement.orelse
        )


def _imported_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each name that imports bind, with the full name of what it is bound to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (first, first)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _check_import(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom):
        if node.level or not node.module:
            yield "imports a neighboring file: a program is one file"
            return
        paths = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        paths = [alias.name for alias in node.names]
    for path in paths:
        name = path.rpartition(".")[2]
        reason = why_refused(path)
        if reason:
            yield f"imports {path.removesuffix('.*')}, which {reason}"
        elif name == "*" or (path not in STANDARD and refused_attribute(name)):
            yield f"imports {path}: import what the program uses"


def _check_call(node: ast.Call) -> Iterator[str]:
    if not (isinstance(node.func, ast.Name) and node.func.id in BY_NAME):
        return
    function, arguments = node.func.id, node.args
    if len(arguments) < 2 or any(isinstance(one, ast.Starred) for one in arguments):  # noqa: PLR2004  (object and name)
        yield f"calls {function} with arguments that are not written down"
        return
    target, name = arguments[0], arguments[1]
    if not _is_harmless(name, own=_is_own(target)):
        yield f"calls {function} with a name that is not a literal: write the attribute"
    elif function in {"delattr", "setattr"} and ast.unparse(name)[1:-1] in KEPT_METHODS:
        yield f"replaces {ast.unparse(name)}: a network leaves this to torch"
    elif function in {"delattr", "setattr"} and not _is_own(target):
        yield f"calls {function} on {ast.unparse(target)}: a program changes only what is its own"


def _is_harmless(name: ast.expr, *, own: bool) -> bool:
    """Return whether an attribute's name is a literal, or begins with one, and is allowed."""
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        private = _is_private(name.value) and not own
        return not refused_attribute(name.value) and not private
    if isinstance(name, ast.JoinedStr) and isinstance(name.values[0], ast.Constant):
        return not may_become_refused(str(name.values[0].value))
    return False


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _is_own(node: ast.expr) -> bool:
    """Return whether an expression is the object of the method that contains it."""
    is_super = isinstance(node, ast.Call) and ast.unparse(node.func) == "super"
    return is_super or (isinstance(node, ast.Name) and node.id in {"cls", "self"})


def _uses(attribute: str) -> str:
    return f"uses the attribute {attribute}: it leads out of the program"
