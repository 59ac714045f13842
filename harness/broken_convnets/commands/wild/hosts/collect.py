"""Collect the definitions that an expression needs, from the modules that define them."""

from __future__ import annotations

import ast
import copy
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.syntax import statements
from broken_convnets.commands.wild.hosts.sources import ModuleSource, module_source
from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Packages whose definitions are copied; those of others are imported.
COPIED = ("torchvision.models", "torchvision.ops", "torchvision.utils")


class Collected:
    """The imports and definitions of a program, each after those that it depends on."""

    def __init__(self) -> None:
        """Start without any."""
        self.definitions: list[ast.stmt] = []
        self._imports: dict[str, str] = {}
        self._origins: dict[str, str] = {}

    def add(self, node: ast.AST, module: ModuleSource, origin: str) -> None:
        """Collect what `node`, which is code of `module`, needs.

        `origin` identifies the module. Raises UsageError if two modules give a name different
        meanings.
        """
        for name in _names(node):
            self._add_name(name, module, origin)

    def import_lines(self) -> list[str]:
        """Return the import statements, sorted."""
        return sorted(map(_import_line, self._imports, self._imports.values()))

    def _add_name(self, name: str, module: ModuleSource, origin: str) -> None:
        if name in module.definitions:
            if self._is_new(name, f"{origin}.{name}"):
                definition = module.definitions[name]
                self.add(definition, module, origin)
                self.definitions.append(copy.deepcopy(definition))
        elif name in module.imports:
            self._add_import(name, module.imports[name])

    def _add_import(self, name: str, path: str) -> None:
        parent, _, last = path.rpartition(".")
        copied = module_source(parent) if parent.startswith(COPIED) else None
        if copied:
            self._add_name(last, copied, parent)
            if last != name and self._is_new(name, path):
                self.definitions += statements(f"{name} = {last}")
        elif self._is_new(name, path):
            self._imports[name] = path

    def _is_new(self, name: str, origin: str) -> bool:
        if name not in self._origins:
            self._origins[name] = origin
            return True
        if self._origins[name] != origin:
            message = f"{name} is both {self._origins[name]} and {origin}"
            raise UsageError(message)
        return False


def _names(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
            yield inner.id


def _import_line(name: str, path: str) -> str:
    parent, _, last = path.rpartition(".")
    if not parent:
        return f"import {path}" + ("" if path == name else f" as {name}")
    if last == name:
        return f"from {parent} import {name}"
    return f"import {path} as {name}"
