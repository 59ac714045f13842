"""Import the same things in other ways: aliases, whole modules, dotted names."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.program_pair import ProgramPair, with_marks_of
from broken_convnets.commands.variants.syntax import expression, identifiers, statements

if TYPE_CHECKING:
    from random import Random

# What people call a module; its last part is always a choice.
ALIASES = {
    "torch.nn": ("nn",),
    "torch.nn.functional": ("F", "functional", "nnf"),
    "numpy": ("np", "numpy"),
    "torch.utils.data": ("data_utils", "tud"),
    "torchvision.transforms": ("T", "transforms"),
    "torchvision.transforms.v2": ("v2", "T2"),
    "torchvision.transforms.functional": ("TF", "tvf"),
    "torchvision.transforms.v2.functional": ("tv", "TF"),
    "torchvision.models": ("models", "tv_models"),
}
MODULES = frozenset(ALIASES)


def reimport(pair: ProgramPair, rng: Random) -> bool:
    """Import some modules or names in another way; what one module gives comes in one way."""
    bound = _bound(pair)
    origins = {
        name: path if path in MODULES else path.rpartition(".")[0] for name, path in bound.items()
    }
    done = False
    for origin in sorted(set(origins.values())):
        names = sorted(name for name in bound if origins[name] == origin)
        wanted = rng.random() < 0.6  # noqa: PLR2004  (some of them, not all)
        which = rng.random()
        given: set[str] = set()  # what stands for the module by now
        for name in names if wanted else ():
            used = identifiers(pair.nodes()) - {name} - given
            options = [option for option in _options(bound[name], used) if option[1] != name]
            if options:
                line, text = options[int(which * len(options))]
                _rebind(pair, name, line, text)
                given.add(text.partition(".")[0])
                done = True
    return done


def _bound(pair: ProgramPair) -> dict[str, str]:
    """Return the imports that every side has, by the name that they bind, and bind alone."""
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
    """Return pairs of an import statement, perhaps empty, and what then stands for the thing."""
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
    taken = used | set(dir(builtins))
    return [
        (line, text) for line, text in options if not line or text.partition(".")[0] not in taken
    ]


def _rebind(pair: ProgramPair, name: str, line: str, text: str) -> None:
    pair.replace(_Rebinding(name, line, text))


class _Rebinding(ast.NodeTransformer):
    """Takes a name out of the imports, puts another import there, and changes every use."""

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
        kept = [alias for alias in node.names if (alias.asname or alias.name) != self._name]
        if len(kept) == len(node.names):
            return [node]
        new = statements(self._line)
        if kept:
            node.names = kept
            return [*new, node]
        return new

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return with_marks_of(expression(self._text), node) if node.id == self._name else node
