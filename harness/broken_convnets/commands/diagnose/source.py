"""The syntax of a user's file, found by place: the expression, statement, function or class."""

from __future__ import annotations

import ast
import linecache
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.observe.recorder.places import Place

Node = TypeVar("Node", bound=ast.AST)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
BLOCKS = ("body", "orelse", "finalbody", "handlers")


def text_of(path: str) -> str:
    """Return the text of a file, or of a cell of a notebook, which Python knows by such a path.

    Raises OSError if the file or cell does not exist, and UnicodeDecodeError if it is not UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        lines = linecache.getlines(path)
        if not lines:
            raise
        return "".join(lines)


class Source:
    """One file's text and its syntax tree.

    Lines count from 1, columns are offsets in bytes, as in `ast` and in `Place`.
    """

    def __init__(self, path: str, text: str) -> None:
        """Parse `text`; raises SyntaxError if it is not Python."""
        self.path = path
        self.text = text
        self.lines = text.split("\n")
        self.tree = ast.parse(text)
        self.nodes = list(ast.walk(self.tree))
        self._parents = {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    @classmethod
    def read(cls, path: str) -> Source:
        """Read a file or a cell; raises OSError, UnicodeDecodeError or SyntaxError."""
        return cls(path, text_of(path))

    @cached_property
    def expressions(self) -> list[ast.expr]:
        """All expressions."""
        return [node for node in self.nodes if isinstance(node, ast.expr)]

    @cached_property
    def statements(self) -> list[ast.stmt]:
        """All statements."""
        return [node for node in self.nodes if isinstance(node, ast.stmt)]

    @cached_property
    def _spans(self) -> dict[tuple[int, int, int, int], ast.expr]:
        """The first of the expressions at each span."""
        return {_span(node): node for node in reversed(self.expressions)}

    def text_of(self, node: ast.expr | ast.stmt) -> str:
        """Return the source text of a node."""
        if node.end_lineno is None or node.end_col_offset is None:
            return ""
        lines = self._encoded_lines[node.lineno - 1 : node.end_lineno]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return b"\n".join(lines).decode()

    def owner_text(self, node: ast.expr) -> str:
        """Return the text of a node, in parentheses if a method call after it needs them."""
        text = self.text_of(node)
        simple = isinstance(node, ast.Name | ast.Call | ast.Attribute | ast.Subscript)
        return text if simple else f"({text})"

    @cached_property
    def _encoded_lines(self) -> list[bytes]:
        """The lines in UTF-8: `ast.get_source_segment` would split the text for every node."""
        return [line.encode() for line in self.lines]

    def expression_at(self, place: Place) -> ast.expr | None:
        """Return the expression at exactly `place`, else the smallest one around it."""
        exact = self._spans.get((place.line, place.end_line, place.column, place.end_column))
        around = (node for node in self.expressions if _contains(node, place))
        return exact or min(around, key=_size, default=None)

    def call_at(self, place: Place) -> ast.Call | None:
        """Return the call at `place`, or the smallest call around it."""
        exact = self.expression_at(place)
        if isinstance(exact, ast.Call):
            return exact
        calls = [n for n in self.expressions if isinstance(n, ast.Call) and _contains(n, place)]
        return min(calls, key=_size, default=None)

    def statement_at(self, line: int) -> ast.stmt | None:
        """Return the innermost statement that covers a line."""
        found = [s for s in self.statements if s.lineno <= line <= (s.end_lineno or s.lineno)]
        return max(found, key=lambda s: (s.lineno, -(s.end_lineno or s.lineno)), default=None)

    def parent(self, node: ast.AST) -> ast.AST | None:
        """Return the node that directly contains `node`."""
        return self._parents.get(node)

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the nodes that contain `node`, the innermost first."""
        found = self._parents.get(node)
        while found is not None:
            yield found
            found = self._parents.get(found)

    def enclosing(self, node: ast.AST, kind: type[Node] | tuple[type[Node], ...]) -> Node | None:
        """Return the innermost node of a kind that contains `node`."""
        return next((a for a in self.ancestors(node) if isinstance(a, kind)), None)

    def statement_of(self, node: ast.AST) -> ast.stmt | None:
        """Return the statement that `node` is a part of, or `node` itself if it is one."""
        return node if isinstance(node, ast.stmt) else self.enclosing(node, ast.stmt)

    def function_of(self, node: ast.AST) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """Return the function whose body `node` is in, lambdas aside; None at module level."""
        found = self.enclosing(node, FUNCTIONS[:2])
        return found if isinstance(found, FUNCTIONS[:2]) else None

    def class_of(self, node: ast.AST) -> ast.ClassDef | None:
        """Return the class whose body `node` is in."""
        return self.enclosing(node, ast.ClassDef)

    def loops_around(self, node: ast.AST) -> list[ast.For | ast.While]:
        """Return the loops around `node` in its own function, the innermost first."""
        found: list[ast.For | ast.While] = []
        for ancestor in self.ancestors(node):
            if isinstance(ancestor, FUNCTIONS):
                break
            if isinstance(ancestor, (ast.For, ast.While)):
                found.append(ancestor)
        return found

    def function_named(self, name: str, first_line: int) -> ast.FunctionDef | None:
        """Return the function of a code object, by its name and `co_firstlineno`."""
        for node in self.nodes:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                decorated = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                if decorated <= first_line <= node.lineno:
                    return node
        return None

    def class_named(self, name: str) -> ast.ClassDef | None:
        """Return the class of a name, the first where there are several."""
        classes = (n for n in self.nodes if isinstance(n, ast.ClassDef))
        return next((node for node in classes if node.name == name), None)

    def block_of(self, statement: ast.stmt) -> list[ast.stmt]:
        """Return the list of statements that a statement stands in."""
        parent = self._parents[statement]
        blocks = (getattr(parent, name, None) for name in BLOCKS)
        return next((b for b in blocks if isinstance(b, list) and statement in b), [])


def argument(call: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    """Return an argument of a call by its name or its position; None if it is not there."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if position is None or position >= len(call.args):
        return None
    before = call.args[: position + 1]
    return None if any(isinstance(a, ast.Starred) for a in before) else call.args[position]


def called_name(call: ast.Call) -> str:
    """Return the last name of what is called: `zero_grad` for `self.optimizer.zero_grad()`."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _span(node: ast.expr) -> tuple[int, int, int, int]:
    end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
    return node.lineno, end_line, node.col_offset, end_column


def _size(node: ast.expr) -> tuple[int, int]:
    first, last, start, end = _span(node)
    return last - first, end - start


def _contains(node: ast.expr, place: Place) -> bool:
    first, last, start, end = _span(node)
    starts = (first, start) <= (place.line, place.column)
    return starts and (last, end) >= (place.end_line, place.end_column)
