"""Which names and expressions of the user's source hold the files of one listing, in its order."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.bindings import is_attribute, passed_argument
from broken_convnets.commands.diagnose.rules.data.paired_items import Items
from broken_convnets.commands.diagnose.sites import Site, site_of
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.listings import Listing

# Calls whose results have the items of their argument, in its order.
KEEP_ORDER = frozenset({"list", "tuple", "iter", "map", "filter", "tqdm", "array", "asarray"})


@dataclass
class ListedFiles:
    """What holds the files of a listing: calls that return them, and names by their scopes.

    `calls` has the position of the files in what a call returns, None if it returns them alone.
    The scope of a local name is its function, that of `self.name` its class, and that of any other
    name its module.
    """

    calls: dict[ast.Call, int | None] = field(default_factory=dict)
    names: set[tuple[ast.AST, str]] = field(default_factory=set)
    sources: list[Source] = field(default_factory=list)

    @classmethod
    def of(cls, evidence: Evidence, listing: Listing) -> ListedFiles:
        """Follow a listing through assignments, arguments, and the functions that return it."""
        files, position = cls(), None
        for place in listing.places:
            site = site_of(evidence, (place,))
            if site is None:
                break
            files._enter(site, position)
            returned = files._returned_from(site)
            if not returned:
                break
            position = returned[0]
        return files

    def hold(self, source: Source, node: ast.expr) -> bool:
        """Return whether an expression has the files, or an item for each of them, in order."""
        if isinstance(node, ast.Name | ast.Attribute):
            return _key(source, node) in self.names
        if isinstance(node, ast.ListComp | ast.GeneratorExp):
            return len(node.generators) == 1 and self.hold(source, node.generators[0].iter)
        if isinstance(node, ast.Subscript):
            return isinstance(node.slice, ast.Slice) and self.hold(source, node.value)
        if isinstance(node, ast.Call):
            keeps = called_name(node) in KEEP_ORDER
            alone = self.calls.get(node, 0) is None
            return alone or (keeps and any(self.hold(source, a) for a in node.args))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self.hold(source, node.left) or self.hold(source, node.right)
        return False

    def scopes(self) -> Iterator[ast.AST]:
        """Yield the functions, classes and statements of modules that use the names."""
        for scope, name in self.names:
            if not isinstance(scope, ast.Module):
                yield scope
                continue
            for statement in scope.body:
                if any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(statement)):
                    yield statement

    def _enter(self, site: Site, position: int | None) -> None:
        """Add a call that returns the files, and all names of its file that hold them then."""
        self.calls[site.call] = position
        if site.source not in self.sources:
            self.sources.append(site.source)
        known = -1
        while len(self.names) > known:
            known = len(self.names)
            for node in site.source.nodes:
                self.names.update(self._named_by(site.source, node))

    def _named_by(self, source: Source, node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
        """Yield the names that a statement or a call binds to the files."""
        if isinstance(node, ast.Assign):
            for target in node.targets:
                for part, value in _parts(target, node.value):
                    if self.hold(source, value):
                        yield from _keys(source, part)
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Call):
                    at = self.calls.get(node.value)
                    if at is not None and at < len(target.elts):
                        yield from _keys(source, target.elts[at])
        elif isinstance(node, ast.For):
            yield from self._appended(source, node)
        elif isinstance(node, ast.Call):
            yield from self._parameters(source, node)

    def _appended(self, source: Source, loop: ast.For) -> Iterator[tuple[ast.AST, str]]:
        """Yield the lists that a loop appends an item to for each of the files."""
        items = None if self.hold(source, loop.iter) else Items.of(source, loop)
        for call in ast.walk(loop):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            if call.func.attr != "append" or not call.args:
                continue
            lists = items.lists_in(call.args[0]) if items else [loop.iter]
            if len(lists) == 1 and self.hold(source, lists[0]):
                yield from _keys(source, call.func.value)

    def _parameters(self, source: Source, call: ast.Call) -> Iterator[tuple[ast.AST, str]]:
        """Yield the parameters of a function of the same file that receive the files."""
        function = _function(source, called_name(call))
        passed = (*call.args, *(keyword.value for keyword in call.keywords))
        if function is None or not any(self._pass(source, one) for one in passed):
            return
        for parameter in function.args.args:
            found = passed_argument(source, function, parameter.arg, call)
            if found is None:
                continue
            value, item = found
            starred = isinstance(value, ast.Call) and self.calls.get(value, -1) == item
            if starred if item is not None else self.hold(source, value):
                yield function, parameter.arg

    def _pass(self, source: Source, node: ast.expr) -> bool:
        """Return whether an argument holds the files, alone or among those of a starred call."""
        if isinstance(node, ast.Starred):
            return isinstance(node.value, ast.Call) and node.value in self.calls
        return self.hold(source, node)

    def _returned_from(self, site: Site) -> list[int | None]:
        """Return where the function around a call returns the files: alone, or at a position."""
        function = site.source.function_of(site.call)
        nodes = ast.walk(function) if function else ()
        returned = [n.value for n in nodes if isinstance(n, ast.Return) and n.value]
        found: list[int | None] = []
        for value in returned:
            if self.hold(site.source, value):
                found.append(None)
            elif isinstance(value, ast.Tuple):
                found += [n for n, one in enumerate(value.elts) if self.hold(site.source, one)]
        return found


def _parts(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """Return the assignments that `a, b = x, y` consists of."""
    if not isinstance(target, ast.Tuple) or not isinstance(value, ast.Tuple):
        return [(target, value)]
    return list(zip(target.elts, value.elts, strict=False))


def _keys(source: Source, node: ast.expr) -> Iterator[tuple[ast.AST, str]]:
    key = _key(source, node)
    if key is not None:
        yield key


def _key(source: Source, node: ast.expr) -> tuple[ast.AST, str] | None:
    """Return the scope and the name of `name` or `self.name`; None for other expressions."""
    if isinstance(node, ast.Attribute):
        owner = source.class_of(node)
        return (owner, node.attr) if owner and is_attribute(node, "self", node.attr) else None
    if not isinstance(node, ast.Name):
        return None
    function = source.function_of(node)
    is_local = function is not None and _binds(function, node.id)
    return (function if function and is_local else source.tree), node.id


def _binds(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> bool:
    arguments = function.args
    if any(a.arg == name for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)):
        return True
    stored = (n for n in ast.walk(function) if isinstance(n, ast.Name))
    return any(n.id == name and isinstance(n.ctx, ast.Store) for n in stored)


def _function(source: Source, name: str) -> ast.FunctionDef | None:
    """Return the function of a name at module level, or the constructor of a class."""
    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
        if isinstance(node, ast.ClassDef) and node.name == name:
            methods = (m for m in node.body if isinstance(m, ast.FunctionDef))
            return next((m for m in methods if m.name == "__init__"), None)
    return None
