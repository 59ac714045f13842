"""Import the same names in another way: aliases, whole modules, dotted names."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.program_pair import ProgramPair, with_marks_of
from broken_convnets.commands.variants.syntax import expression, identifiers, statements

if TYPE_CHECKING:
    from random import Random

# Common aliases of modules; the last part of the module's name is always possible.
ALIASES = {
    "torch.nn": ("nn",),
    "torch.nn.functional": ("F", "functional"),
    "numpy": ("np", "numpy"),
    "torch.utils.data": ("data",),
    "torchvision.transforms": ("T", "transforms"),
    "torchvision.transforms.v2": ("v2", "T"),
    "torchvision.transforms.functional": ("TF", "functional"),
    "torchvision.transforms.v2.functional": ("TF",),
    "torchvision.models": ("models",),
}
MODULES = frozenset(ALIASES)


def reimport(pair: ProgramPair, rng: Random) -> bool:
    """Import some modules or names in another way, the same way for each module."""
    bound = _bound(pair)
    origins = {
        name: path if path in MODULES else path.rpartition(".")[0] for name, path in bound.items()
    }
    done = False
    for origin in sorted(set(origins.values())):
        names = sorted(name for name in bound if origins[name] == origin)
        wanted = rng.random() < 0.6  # noqa: PLR2004  (some of them)
        which = rng.random()
        bound_now: set[str] = set()  # the current names of the module
        for name in names if wanted else ():
            used = identifiers(pair.nodes()) - {name} - bound_now
            options = [option for option in _options(bound[name], used) if option[1] != name]
            if options:
                line, text = options[int(which * len(options))]
                _rebind(pair, name, line, text)
                bound_now.add(text.partition(".")[0])
                done = True
    return done


def _bound(pair: ProgramPair) -> dict[str, str]:
    """Return the imports of every side by the name that they bind, unless it is bound again."""
    sides = [_imports(side) for side in pair.sides]
    stored = {
        node.id
        for node in pair.nodes()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    arguments = {node.arg for node in pair.nodes() if isinstance(node, ast.arg)}
    same = set.intersection(*(set(side.items()) for side in sides))
    return {name: path for name, path in same if name not in stored | arguments}


def _imports(side: ast.Module) -> dict[str, str]:
    found = {}
    for node in side.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname or "." not in alias.name:
                    found[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def _options(path: str, used: set[str]) -> list[tuple[str, str]]:
    """Return pairs of an import statement, possibly empty, and the expression that replaces it."""
    parent, _, last = path.rpartition(".")
    options = []
    if path in MODULES:
        for alias in ALIASES[path]:
            short = alias == last
            if parent:
                options.append(
                    (f"from {parent} import {last}" + (f" as {alias}" * (not short)), alias)
                )
            as_name = f" as {alias}" * (alias != path)
            options.append((f"import {path}{as_name}", alias))
        if path.startswith("torch."):
            options.append(("", path))
    elif parent in MODULES:
        options += [(f"import {parent} as {alias}", f"{alias}.{last}") for alias in ALIASES[parent]]
        if parent.startswith("torch."):
            options.append(("", path))
    unavailable = used | set(dir(builtins))
    return [
        (line, text)
        for line, text in options
        if not line or text.partition(".")[0] not in unavailable
    ]


def _rebind(pair: ProgramPair, name: str, line: str, text: str) -> None:
    pair.replace(_Rebinding(name, line, text))


class _Rebinding(ast.NodeTransformer):
    """Replaces the import of a name, and every use of the name."""

    def __init__(self, name: str, line: str, text: str) -> None:
        self._name = name
        self._line = line
        self._text = text

    def visit_Module(self, node: ast.Module) -> ast.AST:
        body: list[ast.stmt] = []
        for inner in node.body:
            if isinstance(inner, ast.Import | ast.ImportFrom):
                body += self._imports(inner)
            else:
                body.append(inner)
        lines = [ast.unparse(inner) for inner in body]
        node.body = [
            inner
            for i, inner in enumerate(body)
            if not (isinstance(inner, ast.Import) and lines[i] in lines[:i])
        ]
        return self.generic_visit(node)

    def _imports(self, node: ast.Import | ast.ImportFrom) -> list[ast.stmt]:
        others = [alias for alias in node.names if (alias.asname or alias.name) != self._name]
        if len(others) == len(node.names):
            return [node]
        new = statements(self._line)
        if others:
            node.names = others
            return [*new, node]
        return new

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return with_marks_of(expression(self._text), node) if node.id == self._name else node
