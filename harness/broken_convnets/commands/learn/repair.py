"""Grade a program that somebody offers as a repair of a case, for whoever rewards repairs.

`score`, `judge`, the tasks for Harbor and for Inspect AI decide here. A learner may write a program
anew; a repair is the program of the case with a change.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.learn.checks import SAME_PARAMETERS, SAME_PROGRAM
from broken_convnets.commands.learn.editable_parts import OPTIONAL
from broken_convnets.commands.learn.grading_result import violates
from broken_convnets.corpus.similarity import NEARLY_SAME, Lines, lines, similarity
from broken_convnets.util.jaccard import jaccard_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.learn.grader import Grader
    from broken_convnets.commands.learn.grading_result import GradingResult
    from broken_convnets.corpus.entries import Case

CALLED = OPTIONAL | {"Net", "example_inputs"}  # by the harness

Definition = ast.FunctionDef | ast.ClassDef | ast.Assign


def grade_repair(grader: Grader, case: Case, source: str, name: str) -> GradingResult:
    """Grade `source` as a repair of `case`; tracebacks show `name` as its file name.

    Another program in the place of the case is not a repair, even if that one works. Raises
    RunnerError if our own fix does not run here.
    """
    result = grader.grade(case, source, name)
    if not result.solved:
        return result
    other = [violation for violation in result.advice if violation.law == SAME_PARAMETERS.name]
    if other:
        return msgspec.structs.replace(result, solved=False, violations=other)
    if is_changed_case(case, source):
        return result
    note = f"less than {NEARLY_SAME:.0%} of its lines are those of the case or its fix"
    return msgspec.structs.replace(
        result, solved=False, violations=[violates(SAME_PROGRAM, note), *result.violations]
    )


def is_changed_case(case: Case, source: str) -> bool:
    """Return whether a program is one of the two of a case with a change, not another one.

    Also without what it never uses: a program can't hide behind another one that never runs.
    """
    used = _used_lines(source)
    return any(
        similarity(source, side) >= NEARLY_SAME
        and jaccard_index(used, _used_lines(side)) >= NEARLY_SAME
        for side in (case.broken, case.fixed)
    )


def _used_lines(source: str) -> Lines:
    """Return the lines of a program without texts and what nothing uses, in one layout."""
    body = ast.parse(source).body
    nodes = [
        *_used(body),
        *(node for node in body if isinstance(node, ast.Import | ast.ImportFrom)),
    ]
    texts = [ast.unparse(_without_texts(node)) for node in nodes]
    return lines("\n".join(texts))


def _used(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the definitions that the harness calls, and those that they refer to."""
    defined = {name: node for node in body if isinstance(node, Definition) for name in _names(node)}
    waiting, seen = sorted(CALLED), set(CALLED)
    while waiting:
        node = defined.get(waiting.pop())
        if node is None:
            continue
        yield node
        found = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)} - seen
        seen |= found
        waiting += sorted(found)


def _names(node: Definition) -> list[str]:
    if isinstance(node, ast.Assign):
        targets = [one for target in node.targets for one in ast.walk(target)]
        return [one.id for one in targets if isinstance(one, ast.Name)]
    return [node.name]


def _without_texts(node: ast.stmt) -> ast.stmt:
    """Remove docstrings, and other texts that stand alone."""
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef | ast.ClassDef):
            part.body = [one for one in part.body if not _is_text(one)] or [ast.Pass()]
    return node


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
