"""Which statement of the user's code turns boxes inside out, while a sample is read."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from broken_convnets.commands.diagnose.rules.data.inverted_boxes import windows
from broken_convnets.observe.recorder.places import is_user_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from broken_convnets.commands.diagnose.source import Source

VARIABLES = 40  # of one frame that are looked at
NUMBERS = 4_096  # of one array that is looked at


@dataclass(frozen=True)
class Change:
    """A line after which a variable, or what a function returns, has inverted boxes."""

    file: str
    line: int
    is_array: bool

    def target(self, source: Source, statement: ast.stmt) -> str:
        """Return the text of the array that the statement writes to; empty if it is none."""
        if not isinstance(statement, ast.Assign | ast.AugAssign) or not self.is_array:
            return ""
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        node = targets[0]
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant):
            node = node.value
        return "" if isinstance(node, ast.Tuple) else source.text_of(node)

    def assigned_in(self, source: Source) -> int:
        """Return the line; if it only puts four variables together, that of their last change."""
        statement = source.statement_at(self.line)
        function = source.function_of(statement) if statement else None
        for node in ast.walk(statement) if statement and function else ():
            if isinstance(node, ast.List | ast.Tuple) and len(node.elts) == 4:  # noqa: PLR2004  (of a box)
                names = {one.id for one in node.elts if isinstance(one, ast.Name)}
                lines = list(_assigned(function, names, self.line)) if function else []
                if len(names) == len(node.elts) and lines:
                    return max(lines)
        return self.line


def changes(read: Callable[[], object], offset: int, axis: int) -> list[Change]:
    """Return the changes while `read` runs, in order."""
    found: list[Change] = []
    lines: dict[int, int] = {}  # that each frame runs

    def follow(frame: FrameType, event: str, returned: Any) -> Any:
        if not is_user_file(frame.f_code.co_filename):
            return None
        line = lines.get(id(frame))
        values = list(frame.f_locals.values())[:VARIABLES]
        values += [returned] if event == "return" else []
        inverted = [v for v in _arrays(values) if _is_inverted(v, offset, axis)]
        if line is not None and inverted:
            is_array = not isinstance(inverted[0], list | tuple)
            found.append(Change(frame.f_code.co_filename, line, is_array))
        lines[id(frame)] = frame.f_lineno
        if event == "return":
            lines.pop(id(frame))
        return follow

    def begin(frame: FrameType, _: str, __: Any) -> Any:
        if not is_user_file(frame.f_code.co_filename):
            return None
        lines.pop(id(frame), None)
        return follow

    before = sys.gettrace()
    sys.settrace(begin)
    try:
        read()
    finally:
        sys.settrace(before)
    return found


def _arrays(values: list[Any], depth: int = 2) -> Iterator[Any]:
    """Yield the arrays and lists among values, and those inside of mappings and tuples."""
    for value in values:
        if isinstance(value, torch.Tensor | np.ndarray):
            yield value
        elif isinstance(value, dict | list | tuple) and depth:
            inside = list(value.values() if isinstance(value, dict) else value)[:VARIABLES]
            if not isinstance(value, dict):
                yield value
            yield from _arrays(inside, depth - 1)


def _is_inverted(value: Any, offset: int, axis: int) -> bool:
    """Return whether all boxes have the second corner before the first along an axis."""
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        return False
    if tensor.numel() > NUMBERS:
        return False
    found = (boxes for boxes in windows(tensor) if boxes.offset in {0, offset})
    return any(boxes.inverted[axis] for boxes in found)


def _assigned(function: ast.AST, names: set[str], before: int) -> Iterator[int]:
    """Yield the lines before another one that assign to a name."""
    for node in ast.walk(function):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) if name in names and node.lineno < before:
                yield node.lineno
