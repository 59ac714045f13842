"""An entry's programs as syntax trees that transformations change together.

Marks on nodes find the places again that the entry's declaration names.
"""

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

EXPRESSION = "expression"  # marks the expression that raises: its spelling decides the message
FIX_SITE = "other_fix_sites"  # with a number, marks another place for the fix
MARKS = "variant_marks"  # the attribute of a node that holds its marks
INTERFACE = frozenset(
    {
        "Net",
        "example_inputs",
        "example_loader",
        "example_pairs",
        "example_split",
        "example_targets",
        "load",
        "run",
        "save",
        "score",
        "train",
    }
)


@dataclass
class ProgramPair:
    """The sides of an entry: broken and fixed program of a case, one program of a control.

    A transformation changes every side in the same way.
    """

    sides: list[ast.Module]
    names: dict[str, list[str]] = field(default_factory=dict)  # renamed: old name to new ones
    resized: bool = False
    message_words: frozenset[str] = frozenset()  # of the declared message

    def to_bytes(self) -> bytes:
        """Return a snapshot for `from_bytes`."""
        # Pickle copies a tree several times faster than copy.deepcopy.
        return pickle.dumps(self, pickle.HIGHEST_PROTOCOL)

    @staticmethod
    def from_bytes(data: bytes) -> ProgramPair:
        """Return an independent copy of the pair that `to_bytes` saved."""
        pair: ProgramPair = pickle.loads(data)  # noqa: S301  (of our own making)
        return pair

    def record_names(self, chosen: dict[str, str]) -> None:
        """Record new names; a variable and an attribute of one name may get different ones."""
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
        """Apply `transformer` to every side."""
        self.sides = [ast.fix_missing_locations(transformer.visit(side)) for side in self.sides]

    def texts(self) -> list[str]:
        """Return each side as plain source text, one statement per line."""
        return [ast.unparse(side) for side in self.sides]

    def difference_count(self) -> int:
        """Return in how many places the sides differ."""
        if len(self.sides) == 1:
            return 0
        texts = self.texts()
        return len(hunks(texts[0], texts[-1]))


def program_pair(entry: Entry) -> ProgramPair:
    """Parse the programs of an entry and mark the places that its declaration names."""
    programs = list(entry.programs().values())
    sides = [ast.parse(source) for source in programs]
    message_words: frozenset[str] = frozenset()
    if isinstance(entry, Case):
        message_words = frozenset(re.findall(r"\w+", entry.spec.broken.message or ""))
        at = entry.spec.broken.expression or ""
        for side, source in zip(sides, programs, strict=True):
            _mark_text(segments(side, source), EXPRESSION, at)
        found = segments(sides[0], programs[0])
        for number, text in enumerate(entry.spec.other_fix_sites):
            _mark_text(found, f"{FIX_SITE}{number}", text)
    return ProgramPair(sides, message_words=message_words)


def marks(node: ast.AST) -> frozenset[str]:
    """Return the marks on a node."""
    found: frozenset[str] = getattr(node, MARKS, frozenset())
    return found


def mark(node: ast.AST, *names: str) -> None:
    """Put marks on a node."""
    setattr(node, MARKS, marks(node) | set(names))


def raises(node: ast.Call) -> bool:
    """Return whether a call, or the lookup of what it calls, is the expression that raises."""
    return EXPRESSION in marks(node) | marks(node.func)


def with_marks_of(new: Node, old: ast.AST) -> Node:
    """Return `new` with the marks and the position of the node that it replaces."""
    mark(new, *marks(old))
    return ast.copy_location(new, old)


def segments(tree: ast.Module, source: str) -> list[tuple[ast.AST, str]]:
    """Return expressions and statements with their source text on one line, outermost first."""
    lines = source.encode().splitlines()  # columns count bytes
    return [
        (node, _one_line(_cut(lines, node)))
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
    """Mark the nodes whose source is `wanted`, or else the statement that contains it."""
    wanted = _one_line(wanted).rstrip(",(")
    if not wanted:
        return
    nodes = [node for node, text in found if text == wanted]
    if not nodes and name != EXPRESSION:
        begun = [node for node, text in found if _is_statement(node) and text.startswith(wanted)]
        nodes = begun or [n for n, text in found if _is_statement(n) and wanted in text][-1:]
    for node in nodes:
        mark(node, name)


def _is_statement(node: ast.AST) -> bool:
    return isinstance(node, ast.stmt)


def _one_line(text: str) -> str:
    return " ".join(text.split())
