"""What a change of a program changes: hunks, cause lines, syntax; and a fix without one hunk."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True)
class Hunk:
    """One run of changed lines; `start` and `stop` count from 0, `stop` excluded."""

    broken_start: int
    broken_stop: int
    fixed_start: int
    fixed_stop: int

    @property
    def size(self) -> int:
        """How many lines it removes and adds."""
        removed = self.broken_stop - self.broken_start
        return removed + self.fixed_stop - self.fixed_start


def hunks(broken: str, fixed: str) -> list[Hunk]:
    """Return the runs of lines in which two source texts differ."""
    matcher = SequenceMatcher(None, broken.splitlines(), fixed.splitlines(), autojunk=False)
    return [Hunk(a, b, c, d) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal"]


def cause_lines(broken: str, fixed: str) -> set[int]:
    """Return the lines of `broken`, from 1, that the fix changes.

    If the fix only adds lines, the cause is the line above them.
    """
    lines: set[int] = set()
    for hunk in hunks(broken, fixed):
        changed = range(hunk.broken_start + 1, hunk.broken_stop + 1)
        lines.update(changed or {max(hunk.broken_start, 1)})
    return lines


def without_hunk(broken: str, fixed: str, hunk: Hunk) -> str:
    """Return `fixed` with the lines of one hunk as they are in `broken`."""
    old, new = broken.splitlines(), fixed.splitlines()
    new[hunk.fixed_start : hunk.fixed_stop] = old[hunk.broken_start : hunk.broken_stop]
    return "\n".join(new) + "\n"


def same_syntax(one: str, other: str) -> bool:
    """Return whether two programs differ at most in comments and layout.

    False if either is not valid Python.
    """
    first, second = _syntax(one), _syntax(other)
    return first is not None and first == second


def _syntax(source: str) -> str | None:
    try:
        return ast.dump(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
