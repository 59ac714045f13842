"""The twins of an entry as syntax trees that are changed together, with marks that survive it."""

from __future__ import annotations

import ast
import pickle
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from broken_convnets.corpus.diff import hunks
from broken_convnets.corpus.entries import Case, Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

Node = TypeVar("Node", bound=ast.AST)
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

AT = "expression"  # the expression that raises: how it is spelled decides what the message is
ALSO = "other_fix_sites"  # with a number: other places where an expert might put the fix
MARKS = "variant_marks"
INTERFACE = frozenset(
    {"Net", "example_inputs", "example_targets", "example_loader", "run", "score"}
)


@dataclass
class Draft:
    """One program for each side of an entry; every transformation changes all of them alike."""

    sides: list[ast.Module]
    names: dict[str, list[str]] = field(default_factory=dict)  # what was renamed: old to new ones
    resized: bool = False
    spoken: frozenset[str] = frozenset()  # the words of the declared message

    def frozen(self) -> bytes:
        """Return the draft as it is now, for `thawed`."""
        # Pickle copies a tree several times faster than copy.deepcopy.
        return pickle.dumps(self, pickle.HIGHEST_PROTOCOL)

    @staticmethod
    def thawed(frozen: bytes) -> Draft:
        """Return a draft as it was, that can be changed without any other."""
        draft: Draft = pickle.loads(frozen)  # noqa: S301  (of our own making)
        return draft

    def note(self, chosen: dict[str, str]) -> None:
        """Remember new names; a variable and an attribute of one name may get different ones."""
        for old, new in chosen.items():
            for known in self.names.values():
                if old in known:
                    known.append(new)
            self.names.setdefault(old, []).append(new)

    def nodes(self) -> Iterator[ast.AST]:
        """Yield every node of every side."""
        for side in self.sides:
            yield from ast.walk(side)

    def replace(self, transformer: ast.NodeTransformer) -> None:
        """Let `transformer` change every side."""
        self.sides = [ast.fix_missing_locations(transformer.visit(side)) for side in self.sides]

    def texts(self) -> list[str]:
        """Return each side as plain source text, one statement a line."""
        return [ast.unparse(side) for side in self.sides]

    def changed(self) -> int:
        """Return in how many places the sides differ."""
        if len(self.sides) == 1:
            return 0
        texts = self.texts()
        return len(hunks(texts[0], texts[-1]))


def draft(entry: Entry) -> Draft:
    """Parse the sides of an entry and mark the places that its declaration names."""
    programs = list(entry.programs().values())
    sides = [ast.parse(source) for source in programs]
    spoken: frozenset[str] = frozenset()
    if isinstance(entry, Case):
        spoken = frozenset(re.findall(r"\w+", entry.spec.broken.message or ""))
        at = entry.spec.broken.expression or ""
        for side, source in zip(sides, programs, strict=True):
            _mark_text(segments(side, source), AT, at)
        found = segments(sides[0], programs[0])
        for number, text in enumerate(entry.spec.other_fix_sites):
            _mark_text(found, f"{ALSO}{number}", text)
    return Draft(sides, spoken=spoken)


def marks(node: ast.AST) -> frozenset[str]:
    """Return the marks on a node."""
    found: frozenset[str] = getattr(node, MARKS, frozenset())
    return found


def mark(node: ast.AST, *names: str) -> None:
    """Put marks on a node."""
    setattr(node, MARKS, marks(node) | set(names))


def like(new: Node, old: ast.AST) -> Node:
    """Return `new` with the marks of the node whose place it takes."""
    mark(new, *marks(old))
    return ast.copy_location(new, old)


def segments(tree: ast.Module, source: str) -> list[tuple[ast.AST, str]]:
    """Return the expressions and statements with their source text in one line, outermost first."""
    lines = source.encode().splitlines()  # columns count bytes
    return [
        (node, _folded(_cut(lines, node)))
        for node in ast.walk(tree)
        if isinstance(node, ast.expr | ast.stmt | ast.keyword)
    ]


def _cut(lines: list[bytes], node: ast.expr | ast.stmt | ast.keyword) -> str:
    end, stop = node.end_lineno or node.lineno, node.end_col_offset
    text = lines[node.lineno - 1 : end]
    text[-1] = text[-1][:stop]
    text[0] = text[0][node.col_offset :]
    return b"\n".join(text).decode()


def _mark_text(found: list[tuple[ast.AST, str]], name: str, wanted: str) -> None:
    """Mark the nodes whose source is `wanted`; where there is none, the statement that holds it."""
    wanted = _folded(wanted).rstrip(",(")
    if not wanted:
        return
    nodes = [node for node, text in found if text == wanted]
    if not nodes and name != AT:
        begun = [node for node, text in found if _is_statement(node) and text.startswith(wanted)]
        nodes = begun or [n for n, text in found if _is_statement(n) and wanted in text][-1:]
    for node in nodes:
        mark(node, name)


def _is_statement(node: ast.AST) -> bool:
    return isinstance(node, ast.stmt)


def _folded(text: str) -> str:
    return " ".join(text.split())


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


def identifiers(nodes: Iterator[ast.AST]) -> set[str]:
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
