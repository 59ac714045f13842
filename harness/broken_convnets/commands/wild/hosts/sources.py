"""Read the modules of an installed package without importing them."""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from broken_convnets.commands.wild.hosts.simplify import simplified
from broken_convnets.errors import UsageError


@dataclass(frozen=True)
class ModuleSource:
    """The top level of a module: its definitions, and what its imports bind.

    `imports` maps a name to a dotted path, such as F to torch.nn.functional.
    """

    definitions: dict[str, ast.stmt] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)


@cache
def package_folder(package: str) -> Path:
    """Return the folder of an installed package. Raises UsageError if it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        message = f"{package} is not installed: the command reads the source code of its models"
        raise UsageError(message)
    return Path(spec.origin).parent


@cache
def module_source(name: str) -> ModuleSource | None:
    """Return a module of an installed package, simplified; None if `name` is not a module."""
    package, _, rest = name.partition(".")
    path = package_folder(package).joinpath(*rest.split("."))
    files = [path.with_suffix(".py"), path / "__init__.py"]
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        return None
    parent = name if found.name == "__init__.py" else name.rpartition(".")[0]
    return read_module(found, parent)


def read_module(path: Path, package: str = "") -> ModuleSource:
    """Return the module in a file; relative imports start in `package`.

    Raises UsageError if it cannot be read or is not valid Python.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SyntaxError) as error:
        message = f"{path}: cannot be read as a Python module ({error})"
        raise UsageError(message) from None
    found = ModuleSource()
    for node in simplified(tree).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.definitions[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.definitions[node.targets[0].id] = node
        elif isinstance(node, ast.Import):
            found.imports.update(_plain_imports(node))
        elif isinstance(node, ast.ImportFrom):
            found.imports.update(_imports_from(node, package))
    return found


def _plain_imports(node: ast.Import) -> dict[str, str]:
    return {
        alias.asname or alias.name.partition(".")[0]: (
            alias.name if alias.asname else alias.name.partition(".")[0]
        )
        for alias in node.names
    }


def _imports_from(node: ast.ImportFrom, package: str) -> dict[str, str]:
    parents = package.split(".")
    base = ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
    module = ".".join(filter(None, (base, node.module)))
    return {alias.asname or alias.name: f"{module}.{alias.name}" for alias in node.names}
