"""Class numbers do not depend on the order of a set of strings, which changes from run to run."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location_in,
    require_success,
    user_sources,
)
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

KEEPING = frozenset({"save", "load", "load_state_dict", "save_pretrained", "save_checkpoint"})


@rule(
    "classes are numbered in an order that is the same in each run",
    stays_quiet="unless the items of a set are enumerated, in a program that saves or loads "
    "weights, and nothing sorts them",
)
def classes_in_order_of_a_set(evidence: Evidence) -> Iterator[Finding]:
    """Find `enumerate(set(names))`: the order of strings in a set is another one in each run."""
    require_success(evidence)
    sources = list(user_sources(evidence))
    calls = [n for source in sources for n in source.expressions if isinstance(n, ast.Call)]
    if not any(called_name(call) in KEEPING for call in calls):
        return
    for source in sources:
        for made in _sets(source):
            text = source.text_of(made)
            change = partial(edits.replace, source, [(made, f"sorted({_inner(source, made)})")])
            yield Finding(
                rule="classes_in_order_of_a_set",
                kind="data/pairs_out_of_order",
                severity=Severity.WARNING,
                message=f"`{text}` has another order in the next run: classes get other numbers",
                evidence="Python hashes strings with a random seed, so the order of a set of "
                "strings changes from process to process; the saved weights keep the numbers of "
                "the run that saved them",
                cause=location_in(source, made),
                subject=text,
                candidates=candidates((0, change)),
                confidence=5,
            )


def _sets(source: Source) -> Iterator[ast.Call]:
    """Yield the lists of sets, or sets, that are enumerated to number strings."""
    for node in source.expressions:
        if not isinstance(node, ast.Call) or called_name(node) != "enumerate" or not node.args:
            continue
        given = node.args[0]
        if isinstance(given, ast.Name):
            found = [
                one.value
                for one in source.statements
                if isinstance(one, ast.Assign) and source.text_of(one.targets[0]) == given.id
            ]
            sorts = f"{given.id}.sort(" in "".join(map(source.text_of, source.statements))
            given = found[0] if len(found) == 1 and not sorts else given
        if _is_set(given) and isinstance(given, ast.Call):
            yield given


def _is_set(node: ast.expr) -> bool:
    if not isinstance(node, ast.Call) or not node.args:
        return False
    if called_name(node) in {"list", "tuple"}:
        return _is_set(node.args[0])
    return called_name(node) == "set" and isinstance(node.func, ast.Name)


def _inner(source: Source, made: ast.Call) -> str:
    text = made.args[0] if called_name(made) != "set" else made
    return source.text_of(text)
