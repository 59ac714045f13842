"""Write an exercise sheet in Markdown, and its key: programs, questions, and the answers."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.export.notebook_cells import fix_of
from broken_convnets.commands.export.output import write_new
from broken_convnets.commands.export.questions import questions
from broken_convnets.commands.learn.ordering import alias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from broken_convnets.corpus.entries import Case

TASK = "Each program has one mistake. Find it, and answer the questions."
ROOM = "\n\n> &nbsp;\n>\n> &nbsp;"  # two empty lines to write on


def write_sheet(cases: Sequence[Case], path: Path, *, key: bool = False) -> list[Path]:
    """Write the exercise sheet and, with `key`, `NAME_key` with the answers; return the paths.

    Raises UsageError if a file exists or cannot be written.
    """
    pages = {path: _page(cases, has_answers=False)}
    if key:
        pages[path.with_stem(f"{path.stem}_key")] = _page(cases, has_answers=True)
    return write_new(pages)


def _page(cases: Sequence[Case], *, has_answers: bool) -> str:
    title = "Key to the exercises" if has_answers else "Exercises"
    parts = [f"# {title}", TASK]
    for number, case in enumerate(cases, start=1):
        parts += _case_parts(case, number, has_answers=has_answers)
    return "\n\n".join(parts) + "\n"


def _case_parts(case: Case, number: int, *, has_answers: bool) -> Iterator[str]:
    name = alias(case).rpartition("/")[2]
    intent = ast.get_docstring(ast.parse(case.broken)) or ""
    yield f"## {number}. {name}\n\n{intent}\n\n```python\n{case.broken.rstrip()}\n```"
    for letter, question in zip("abcdefgh", questions(case), strict=False):
        answer = f"\n\n{question.answer}" if has_answers else ROOM
        yield f"**{number}{letter}.** {question.text}{answer}"
    if has_answers:
        yield fix_of(case)
