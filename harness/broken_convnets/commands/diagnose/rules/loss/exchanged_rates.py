"""What is called precision is divided by the predicted positives, recall by the actual ones.

https://en.wikipedia.org/wiki/Precision_and_recall
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.counted_rates import Counts
from broken_convnets.commands.diagnose.rules.loss.known_pairs import FAILURES, Unknown
from broken_convnets.commands.diagnose.rules.loss.rate_syntax import assigned
from broken_convnets.commands.diagnose.sites import location_in, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

# Of 1 true positive, 2 false positives, 4 false negatives and 8 true negatives.
RATES = {"precision": 1 / 3, "recall": 1 / 5, "F1": 2 / 8, "IoU": 1 / 7}
OTHER = {"precision": "recall", "recall": "precision", "F1": "IoU", "IoU": "F1"}
WORDS = {
    "precision": re.compile(r"(^|_)(precisions?|prec|ppv)($|_)"),
    "recall": re.compile(r"(^|_)(recalls?|rec|sensitivity|tpr)($|_)"),
    "F1": re.compile(r"(^|_)(f1|dice|f1_?score)($|_)"),
    "IoU": re.compile(r"(^|_)(iou|jaccard)($|_)"),
}
ERRORS = {r"(^|_|\.)(fp|false_?pos\w*)$": 4, r"(^|_|\.)(fn|false_?neg\w*)$": 2}  # exchanged
NEAR = 1e-3
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SCOPES = (*FUNCTIONS, ast.ClassDef)


@rule(
    "precision is divided by the predicted positives, and recall by the actual positives",
    stays_quiet="unless a value of the one name is computed as the other one is, from predictions "
    "and labels that names, a threshold or a loop over batches tell apart",
)
def rates_exchanged(evidence: Evidence) -> Iterator[Finding]:
    """Find precision and recall, or F1 and IoU, whose formulas are exchanged."""
    require_success(evidence)
    for source in evidence.user_sources:
        scopes = (source.tree, *(n for n in source.nodes if isinstance(n, FUNCTIONS)))
        found = [one for scope in scopes for one in _exchanged(source, scope)]
        for node, name, other in found[:1]:
            yield _finding(source, node, name, other, [one for _, one, _ in found])


def _finding(source: Source, node: ast.expr, name: str, other: str, names: list[str]) -> Finding:
    both = other in names
    text = source.text_of(node)
    return Finding(
        kind="loss/broadcast_metric",
        message=f"`{text}` is called {name}, and is the {other}"
        + (f"; the {other} is the {name}" if both else ""),
        evidence="for 1 true positive, 2 false positives and 4 false negatives it is "
        f"{RATES[other]:.3g}, and the {name} is {RATES[name]:.3g}",
        cause=location_in(source, node),
        subject=text,
        confidence=7,
    )


def _exchanged(source: Source, scope: ast.AST) -> Iterator[tuple[ast.expr, str, str]]:
    """Yield the formulas of a scope whose value is that of another name."""
    named = [(kind, node) for name, node in _named(source, scope) if (kind := _kind(name))]
    counts = Counts(source, _attributes(source, scope) if named else {})
    counts.run(_statements(scope) if named else ())
    for kind, node in named:
        if not any(isinstance(part, ast.Name) for part in ast.walk(node)):
            continue  # a threshold or a weight, and no rate
        try:
            value = counts.value(node)
        except (Unknown, *FAILURES):
            continue
        rate = value[-1] if np.shape(value) == (2,) else value
        if np.ndim(rate) == 0 and abs(rate - RATES[OTHER[kind]]) < NEAR:
            yield _cause(source, scope, counts) or node, kind, OTHER[kind]


def _kind(name: str) -> str:
    """Return the rate that a name is for; empty for others."""
    return next((kind for kind, words in WORDS.items() if words.search(name.lower())), "")


def _cause(source: Source, scope: ast.AST, counts: Counts) -> ast.expr | None:
    """Return what is assigned to a count of errors that counts the other errors; else None."""
    owner = source.parent(scope)
    around = owner if isinstance(owner, ast.ClassDef) else scope
    for statement in (node for node in ast.walk(around) if isinstance(node, ast.stmt)):
        for target, value in assigned(statement):
            text = ast.unparse(target)
            for words, wrong in ERRORS.items():
                is_sum = not isinstance(value, ast.Constant)
                if (
                    is_sum
                    and re.search(words, text.lower())
                    and _is(counts.values.get(text), wrong)
                ):
                    return value
    return None


def _is(value: Any, wanted: float) -> bool:
    return bool(np.ndim(value) == 0 and value == wanted)


def _attributes(source: Source, scope: ast.AST) -> dict[str, Any]:
    """Return what the methods of the class around a method assign to attributes of `self`."""
    owner = source.parent(scope)
    if not isinstance(owner, ast.ClassDef):
        return {}
    found: dict[str, Any] = {}
    methods = [node for node in owner.body if isinstance(node, ast.FunctionDef)]
    for method in (*methods, *methods):  # in any order
        counts = Counts(source, found)
        counts.run(_statements(method))
        found |= {name: v for name, v in counts.values.items() if name.startswith("self.")}
    return found


def _statements(scope: ast.AST) -> list[ast.stmt]:
    """Return the statements of a scope in their order, those of functions inside left out."""
    found: list[ast.stmt] = []
    for child in ast.iter_child_nodes(scope):
        if isinstance(child, SCOPES):
            continue
        if isinstance(child, ast.stmt):
            found.append(child)
        found += _statements(child) if not isinstance(child, ast.expr) else []
    return found


def _named(source: Source, scope: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the values that have a name: of variables, keys, keywords and functions."""
    for statement in _statements(scope):
        for target, value in assigned(statement):
            name = target.slice if isinstance(target, ast.Subscript) else target
            text = ast.unparse(name).strip("'\"").rpartition(".")[2]
            yield text, value
        for node in ast.walk(statement) if not isinstance(statement, ast.For | ast.While) else ():
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(key.value, str):
                        yield key.value, value
        function = source.function_of(statement)
        if isinstance(statement, ast.Return) and statement.value is not None and function:
            if isinstance(statement.value, ast.Tuple):
                continue
            yield function.name, statement.value
