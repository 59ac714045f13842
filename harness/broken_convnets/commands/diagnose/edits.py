"""Change a file's text at a node of its syntax, and show the change as a diff."""

from __future__ import annotations

import ast
import difflib
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.shown import shown_path
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from broken_convnets.commands.diagnose.source import Source

Patch = dict[str, str]  # the new text of each changed file, by its path


class EditError(ValueError):
    """A change is not possible at this place, or its result is not Python."""


def replace(source: Source, changes: Iterable[tuple[ast.expr | ast.stmt, str]]) -> Patch:
    """Replace nodes that do not overlap by new text; raises EditError for invalid Python."""
    lines = [line.encode() for line in source.lines]
    for node, new in sorted(changes, key=lambda c: (c[0].lineno, c[0].col_offset), reverse=True):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        before, after = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
        lines[first : last + 1] = (before + new.encode() + after).split(b"\n")
    return _checked(source, [line.decode() for line in lines])


def replace_in_line(source: Source, line: int, old: str, new: str) -> Patch:
    """Replace the first occurrence of a text in a line; raises EditError if there is none.

    For what is not a node: the name or the parameters of a function.
    """
    lines = list(source.lines)
    if old not in lines[line - 1]:
        message = f"line {line} of {source.path} has no {old!r}"
        raise EditError(message)
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    return _checked(source, lines)


def insert_before(source: Source, statement: ast.stmt, *new: str) -> Patch:
    """Insert lines before a statement, with its indentation."""
    decorators = getattr(statement, "decorator_list", [])
    at = min([statement.lineno, *(decorator.lineno for decorator in decorators)]) - 1
    return _inserted(source, at, _indented(source, statement, new))


def insert_after(source: Source, statement: ast.stmt, *new: str) -> Patch:
    """Insert lines after a statement, with its indentation."""
    at = statement.end_lineno or statement.lineno
    return _inserted(source, at, _indented(source, statement, new))


def delete(source: Source, statement: ast.stmt) -> Patch:
    """Delete a statement; the only one of a block becomes `pass`."""
    alone = len(source.block_of(statement)) == 1
    rest = [f"{indentation(source, statement)}pass"] if alone else []
    first, last = _lines_of(statement)
    return _checked(source, source.lines[:first] + rest + source.lines[last:])


def move(
    source: Source,
    statement: ast.stmt,
    target: ast.stmt,
    *,
    after: bool,
    until: ast.stmt | None = None,
) -> Patch:
    """Move a statement, or several in a row `until` one, directly before or after another one."""
    first, last = _lines_of(statement)[0], _lines_of(until or statement)[1]
    old, new = indentation(source, statement), indentation(source, target)
    block = [new + line[len(old) :] if line.strip() else line for line in source.lines[first:last]]
    at = _lines_of(target)[1 if after else 0]
    if first < at < last:
        message = "a statement cannot move into itself"
        raise EditError(message)
    lines = list(source.lines)
    if at <= first:
        lines[first:last] = []
        lines[at:at] = block
    else:
        lines[at:at] = block
        lines[first:last] = []
    return _checked(source, lines)


def wrap(source: Source, statement: ast.stmt, header: str) -> Patch:
    """Put a statement into a block: `wrap(source, loop, "with torch.no_grad():")`."""
    first, last = _lines_of(statement)
    inside = [f"    {line}" if line.strip() else line for line in source.lines[first:last]]
    head = [indentation(source, statement) + header]
    return _checked(source, source.lines[:first] + head + inside + source.lines[last:])


def unwrap(source: Source, block: ast.With) -> Patch:
    """Replace a `with` statement by its body."""
    first, last = _lines_of(block)
    body = source.lines[block.body[0].lineno - 1 : last]
    outer, inner = indentation(source, block), indentation(source, block.body[0])
    body = [outer + line[len(inner) :] if line.startswith(inner) else line for line in body]
    return _checked(source, source.lines[:first] + body + source.lines[last:])


def set_argument(
    source: Source, call: ast.Call, name: str, position: int | None, value: str
) -> Patch:
    """Set an argument of a call, replacing it where it is there; raises EditError for `*args`."""
    present = argument(call, name, position)
    if present is not None:
        return replace(source, [(present, value)])
    if any(isinstance(a, ast.Starred) for a in call.args) or any(not k.arg for k in call.keywords):
        message = f"the arguments of {source.text_of(call.func)} cannot be counted"
        raise EditError(message)
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    if not arguments:
        return replace(source, [(call, f"{source.text_of(call.func)}({name}={value})")])
    last = max(arguments, key=lambda node: (node.end_lineno or 0, node.end_col_offset or 0))
    return replace(source, [(last, f"{source.text_of(last)}, {name}={value}")])


def indentation(source: Source, statement: ast.stmt) -> str:
    """Return the white space before a statement."""
    line = source.lines[statement.lineno - 1]
    return line[: len(line) - len(line.lstrip())]


def changed_lines(old: str, new: str) -> list[int]:
    """Return the lines of `old` that a change touches; for an insertion, the line before it."""
    matcher = difflib.SequenceMatcher(None, old.split("\n"), new.split("\n"), autojunk=False)
    found: list[int] = []
    for tag, start, stop, _, _ in matcher.get_opcodes():
        if tag in {"replace", "delete"}:
            found += range(start + 1, stop + 1)
        elif tag == "insert":
            found.append(max(start, 1))
    return found


def diff(path: str, old: str, new: str, context: int = 3) -> str:
    """Return a unified diff of one file, with `context` unchanged lines around each change.

    `patch -p1` and `git apply` accept it in the working directory.
    """
    name = shown_path(path).lstrip("/")
    lines = difflib.unified_diff(
        old.splitlines(keepends=True),
        new.splitlines(keepends=True),
        f"a/{name}",
        f"b/{name}",
        n=context,
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _inserted(source: Source, at: int, new: Sequence[str]) -> Patch:
    return _checked(source, [*source.lines[:at], *new, *source.lines[at:]])


def _indented(source: Source, statement: ast.stmt, new: Iterable[str]) -> list[str]:
    return [indentation(source, statement) + line if line else line for line in new]


def _lines_of(statement: ast.stmt) -> tuple[int, int]:
    return statement.lineno - 1, statement.end_lineno or statement.lineno


def _checked(source: Source, lines: list[str]) -> Patch:
    text = "\n".join(lines)
    try:
        ast.parse(text)
    except SyntaxError as error:
        message = f"the changed {source.path} is not valid Python: {error}"
        raise EditError(message) from None
    return {source.path: text}
