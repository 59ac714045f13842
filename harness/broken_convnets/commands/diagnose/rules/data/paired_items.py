"""Which lists of the user's source are put together by the positions of their items."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.commands.diagnose.source import Source

Loop: TypeAlias = "ast.For | ast.While | ast.ListComp | ast.GeneratorExp | ast.FunctionDef"
LOOPS = (ast.For, ast.While, ast.ListComp, ast.GeneratorExp)
COMPREHENSIONS = (ast.ListComp, ast.GeneratorExp)
ZIPS = frozenset({"zip", "zip_longest", "train_test_split"})
SAME_ITEMS = frozenset({"list", "tuple", "iter", "tqdm", "trange", "track"})
SHOWING = frozenset({"print", "info", "debug", "warning", "len", "range", "zip", "enumerate"})
# Methods of one name that are asked about another one.
ASKED = frozenset({"startswith", "endswith", "find", "index", "match", "fullmatch", "search"})


@dataclass
class Items:
    """Inside one loop: which names have an item of which lists, and the names of its index."""

    source: Source
    loop: Loop
    names: dict[str, list[ast.expr]]
    indices: set[str]

    @classmethod
    def of(cls, source: Source, loop: Loop) -> Items:
        """Follow the items of the lists that a loop reads through its assignments."""
        items = cls(source, loop, {}, set())
        for target, iterated in _iterations(loop):
            items._bind(target, iterated)
        if isinstance(loop, ast.While):
            counted = (n.target for n in ast.walk(loop) if isinstance(n, ast.AugAssign))
            items.indices |= {t.id for t in counted if isinstance(t, ast.Name)}
        if isinstance(loop, ast.FunctionDef):  # __getitem__(self, index)
            items.indices |= {a.arg for a in loop.args.args[1:2]}
        items._assign()
        return items

    def lists_in(self, node: ast.AST) -> list[ast.expr]:
        """Return the lists that an expression has an item of, one of each text."""
        found: dict[str, ast.expr] = {}
        for part in ast.walk(node):
            if isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Name):
                if part.slice.id in self.indices:
                    found[self.source.text_of(part.value)] = part.value
            elif isinstance(part, ast.Name):
                for one in self.names.get(part.id, ()):
                    found[self.source.text_of(one)] = one
        return list(found.values())

    def together(self) -> Iterator[list[ast.expr]]:
        """Yield the lists whose items are parts of one tuple, list, dict or call."""
        for node in ast.walk(self.loop):
            parts = [self.lists_in(part) for part in _parts_of(node)]
            lists = [one for part in parts for one in part]
            if any(part and part != lists for part in parts):
                yield lists

    def compared(self) -> Iterator[list[ast.expr]]:
        """Yield the lists whose items are compared with one another."""
        for node in ast.walk(self.loop):
            if isinstance(node, ast.Compare):
                yield self._lists_of([node.left, *node.comparators])
            elif isinstance(node, ast.Call) and called_name(node) in ASKED:
                yield self._lists_of([node.func, *node.args])

    def _lists_of(self, parts: Sequence[ast.expr]) -> list[ast.expr]:
        return [one for part in parts for one in self.lists_in(part)]

    def _bind(self, target: ast.expr, iterated: ast.expr) -> None:
        """Bind the target of a loop to the lists that it iterates over."""
        if isinstance(iterated, ast.Call):
            name, args = called_name(iterated), iterated.args
            if name == "range" and isinstance(target, ast.Name):
                self.indices.add(target.id)
                return
            if name in SAME_ITEMS and args:
                self._bind(target, args[0])
                return
            pair = target.elts if isinstance(target, ast.Tuple | ast.List) else []
            if name == "enumerate" and args and len(pair) == 2:  # noqa: PLR2004  (index and item)
                self.indices |= {pair[0].id} if isinstance(pair[0], ast.Name) else set()
                self._bind(pair[1], args[0])
                return
            if name in {"zip", "zip_longest"} and len(pair) == len(args):
                for one, of in zip(pair, args, strict=True):
                    self._bind(one, of)
                return
        if isinstance(target, ast.Name):
            self.names.setdefault(target.id, []).append(iterated)

    def _assign(self) -> None:
        """Add the names that are assigned from items, until there are no more."""
        assigned = [n for n in ast.walk(self.loop) if isinstance(n, ast.Assign)]
        for _ in assigned[:8]:
            for statement in assigned:
                lists = self.lists_in(statement.value)
                for target in statement.targets if lists else ():
                    if isinstance(target, ast.Name):
                        known = self.names.setdefault(target.id, [])
                        known += [one for one in lists if one not in known]


def used_together(source: Source) -> Iterator[list[ast.expr]]:
    """Yield lists whose items belong together by their positions.

    The arguments of `zip`, the columns of a table, what a loop puts together, and what
    `__getitem__` reads at its index.
    """
    for node in source.nodes:
        if isinstance(node, ast.Call):
            yield from _in_call(node)
    for loop in _loops(source):
        yield from Items.of(source, loop).together()
        if isinstance(loop, ast.FunctionDef):
            yield from _read_at_one_index(loop)


def compared(source: Source) -> Iterator[list[ast.expr]]:
    """Yield lists that the program compares, or an item of one with an item of another."""
    for node in source.nodes:
        if isinstance(node, ast.Compare):
            yield [node.left, *node.comparators]
    for loop in _loops(source):
        yield from Items.of(source, loop).compared()


def _loops(source: Source) -> Iterator[Loop]:
    """Yield the loops, and the methods that read one sample."""
    for node in source.nodes:
        is_getter = isinstance(node, ast.FunctionDef) and node.name == "__getitem__"
        if is_getter or not isinstance(node, ast.FunctionDef):
            yield from (node,) if isinstance(node, (*LOOPS, ast.FunctionDef)) else ()


def _in_call(call: ast.Call) -> Iterator[list[ast.expr]]:
    name = called_name(call)
    if name in ZIPS:
        yield call.args
    elif name == "map":
        yield call.args[1:]
    elif name == "DataFrame":
        table = argument(call, "data", 0)
        if isinstance(table, ast.Dict):
            yield table.values


def _iterations(loop: Loop) -> list[tuple[ast.expr, ast.expr]]:
    """Return the targets of a loop, and what they iterate over."""
    if isinstance(loop, ast.For):
        return [(loop.target, loop.iter)]
    if isinstance(loop, COMPREHENSIONS):
        return [(one.target, one.iter) for one in loop.generators]
    return []


def _parts_of(node: ast.AST) -> list[ast.expr]:
    """Return the parts of a tuple, list or dict, and the arguments of a call."""
    if isinstance(node, ast.Tuple | ast.List):
        return node.elts if isinstance(node.ctx, ast.Load) else []
    if isinstance(node, ast.Dict):
        return node.values
    if isinstance(node, ast.Call) and called_name(node) not in SHOWING:
        return [*node.args, *(keyword.value for keyword in node.keywords)]
    return []


def _read_at_one_index(function: ast.FunctionDef) -> Iterator[list[ast.expr]]:
    read: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name):
            read.setdefault(node.slice.id, []).append(node.value)
    yield from read.values()
