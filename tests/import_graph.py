"""The imports between the folders of a package, read from its source: lazy and type-only ones too.

A folder is named by its path from the package ("commands/score"); a module that is directly in
the package, or directly in `commands`, is a node of its own ("cli", "commands/shared_options").
A folded folder is one node together with all folders inside it.
"""

from __future__ import annotations

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

LOOSE = ("", "commands")  # folders whose modules are nodes of their own

Graph = dict[str, set[str]]  # by node: the nodes that it imports


def import_graph(package: Path, folded: Collection[str] = ()) -> Graph:
    """Return which folder of a package imports which others."""
    modules = {_dotted(package, file): file for file in sorted(package.rglob("*.py"))}
    nodes = {name: _node(file.relative_to(package), folded) for name, file in modules.items()}
    graph: Graph = {node: set() for node in nodes.values()}
    for name, file in modules.items():
        targets = (_module(imported, nodes) for imported in _imported(name, file))
        graph[nodes[name]] |= {nodes[target] for target in targets if target} - {nodes[name]}
    return graph


def cycle(graph: Graph) -> list[str]:
    """Return the nodes of a cycle, the first one again at the end; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def imports_of(graph: Graph, folder: str) -> set[str]:
    """Return what a folder, with those inside it, imports from outside."""
    found = {target for node in graph if is_in(node, folder) for target in graph[node]}
    return {target for target in found if not is_in(target, folder)}


def is_in(node: str, folder: str) -> bool:
    """Return whether a node is a folder or lies inside it."""
    return node == folder or node.startswith(f"{folder}/")


def _dotted(package: Path, file: Path) -> str:
    parts = file.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _node(file: Path, folded: Collection[str]) -> str:
    folder = file.parent.as_posix().removeprefix(".")
    if folder in LOOSE:
        return f"{folder}/{file.stem}".lstrip("/")
    return next((outer for outer in folded if is_in(folder, outer)), folder)


@cache
def _imported(module: str, file: Path) -> frozenset[str]:
    """Return the full names that a module imports, anywhere in it."""
    return frozenset(_imports(module, file))


def _imports(module: str, file: Path) -> Iterator[str]:
    above = module.split(".") if file.stem == "__init__" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = above[: len(above) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def _module(name: str, modules: Collection[str]) -> str:
    """Return the module that an imported name is, or is defined in; empty for another package."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name
