"""Check the program in a cell of a notebook by the laws, as `learn` does with a file."""

from __future__ import annotations

import ast
import atexit
from functools import cache
from typing import TYPE_CHECKING

from broken_convnets.commands.learn.judge import Judge
from broken_convnets.corpus.entries import Case, default_root, find
from broken_convnets.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Sequence

MARKER = "# Program "


def marker(name: str) -> str:
    """Return the first line of the cell with a program, by which the check finds it."""
    return f"{MARKER}{name}: keep this line, the check finds the program by it."


def check_cell(name: str, history: Sequence[str]) -> None:
    """Print whether the program in a cell is a right fix, and what it violates if it is not.

    `name` is the name of the program, such as "net_ace2ca"; `history` is the variable `In` of
    IPython: the text of every cell that was run. The last one with the program counts. Raises
    CorpusError if the name is unknown, and RunnerError if our fix does not run here.
    """
    case = find(default_root(), name)
    if not isinstance(case, Case):
        message = f"{name} is a control, which works: it has nothing to fix"
        raise CorpusError(message)
    cells = [text for text in history if text.startswith(f"{MARKER}{name}:")]
    if not cells:
        print(f"Run the cell that begins with `{MARKER}{name}` first.")
        return
    judgement = _judge()(case, program_of_cell(case, cells[-1]))
    if judgement.ok:
        print(f"{name} is fixed: it obeys every law.")
    else:
        print(f"{name} is not fixed yet: {judgement.reason}")


def program_of_cell(case: Case, cell: str) -> str:
    """Return a whole program: the docstring and the main guard of the case around a cell."""
    guard = ast.parse(case.broken).body[-1]
    tail = "\n".join(case.broken.splitlines()[guard.lineno - 1 :])
    intent = ast.get_docstring(ast.parse(case.broken)) or ""
    return f'"""{intent}"""\n\n{cell}\n\n\n{tail}\n'


@cache
def _judge() -> Judge:
    """Return a judge for all cells of a notebook: it loads torch once."""
    judge = Judge()
    atexit.register(judge.__exit__)
    return judge
