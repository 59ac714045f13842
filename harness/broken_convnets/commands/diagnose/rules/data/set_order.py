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
)
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

KEEPING = frozenset({"save", "load", "load_state_dict", "save_pretrained", "save_checkpoint"})


WRITING = frozenset({"save", "dump", "dumps", "write", "writerow", "writelines", "to_csv"})
# Calls and attributes whose results are strings, or lists of strings.
TEXTS = frozenset(
    {"str", "lower", "upper", "strip", "split", "rsplit", "splitlines", "join", "replace", "read"}
    | {"read_text", "listdir", "basename", "readlines", "stem", "name", "suffix", "format"}
)
SAME = frozenset({"list", "tuple", "set", "sorted", "choice", "choices", "sample"})
STEPS = 6


@rule(
    "classes are numbered in an order that is the same in each run",
    stays_quiet="unless the numbers of the strings in a set are their places in it, in a program "
    "that saves or loads weights, and nothing sorts the strings or saves their numbers",
)
def classes_in_order_of_a_set(evidence: Evidence) -> Iterator[Finding]:
    """Find `enumerate(set(names))`: the order of strings in a set is another one in each run."""
    require_success(evidence)
    sources = list(evidence.user_sources)
    calls = [n for source in sources for n in source.expressions if isinstance(n, ast.Call)]
    if not any(called_name(call) in KEEPING for call in calls):
        return
    for source in sources:
        for made in _sets(source):
            text = source.text_of(made)
            change = partial(edits.replace, source, [(made, f"sorted({_inner(source, made)})")])
            yield Finding(
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
    """Yield the sets of strings, or lists of them, that are enumerated to number the strings."""
    if "PYTHONHASHSEED" in source.text:
        return
    for node in source.expressions:
        if not isinstance(node, ast.Call) or called_name(node) != "enumerate" or not node.args:
            continue
        names = _numbers(source, node)
        given = node.args[0]
        if isinstance(given, ast.Name):
            names, given = {*names, given.id}, _value(source, given) or given
        strings = isinstance(given, ast.Call) and _is_set(given) and _are_texts(source, given)
        if names and strings and not _are_written(source, names) and isinstance(given, ast.Call):
            yield given


def _numbers(source: Source, call: ast.Call) -> set[str]:
    """Return the dictionary that `enumerate(...)` numbers strings in; empty if it has none."""
    parent = source.parent(call)
    if isinstance(parent, ast.For):
        stored = [n for n in ast.walk(parent) if isinstance(n, ast.Subscript)]
        return {source.text_of(n.value) for n in stored if isinstance(n.ctx, ast.Store)}
    statement = source.statement_of(call)
    over = source.parent(parent) if isinstance(parent, ast.comprehension) else None
    if isinstance(over, ast.DictComp) and isinstance(statement, ast.Assign):
        return {source.text_of(one) for one in statement.targets}
    return set()


def _are_written(source: Source, names: set[str]) -> bool:
    """Return whether the numbers are saved too, so that a later run can read them."""
    calls = [n for n in source.expressions if isinstance(n, ast.Call)]
    given = {_named(source, call) for call in calls if called_name(call) in WRITING}
    saved = {name for each in given for name in each}
    made = [n for n in source.statements if isinstance(n, ast.Assign)]
    inside = (_named(source, n.value) for n in made if saved & {*map(source.text_of, n.targets)})
    return not names.isdisjoint(saved.union(*inside))


def _named(source: Source, node: ast.AST) -> frozenset[str]:
    """Return the variables and attributes that an expression reads."""
    parts = (n for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute))
    return frozenset(map(source.text_of, parts))


def _value(source: Source, name: ast.Name) -> ast.expr | None:
    """Return the only expression that a variable is assigned, unless it is sorted afterwards."""
    named = [n for n in source.nodes if isinstance(n, ast.Name) and n.id == name.id]
    stores = [n for n in named if isinstance(n.ctx, ast.Store)]
    parent = source.parent(stores[0]) if len(stores) == 1 else None
    sorts = any(
        isinstance(call, ast.Call) and source.text_of(call.func) == f"{name.id}.sort"
        for call in source.expressions
    )
    return parent.value if isinstance(parent, ast.Assign) and not sorts else None


def _is_set(node: ast.expr) -> bool:
    if not isinstance(node, ast.Call) or not node.args:
        return False
    if called_name(node) in {"list", "tuple"}:
        return _is_set(node.args[0])
    return called_name(node) == "set" and isinstance(node.func, ast.Name)


def _are_texts(source: Source, node: ast.expr, steps: int = STEPS) -> bool:
    """Return whether an expression is a string or a collection of strings, as far as is known."""
    inner: list[ast.expr | None] = []
    if isinstance(node, ast.Constant | ast.JoinedStr):
        return isinstance(node, ast.JoinedStr) or isinstance(node.value, str)
    if isinstance(node, ast.Call | ast.Attribute):
        name = called_name(node) if isinstance(node, ast.Call) else node.attr
        if name in TEXTS:
            return True
        inner = [*node.args[:1]] if isinstance(node, ast.Call) and name in SAME else []
    elif isinstance(node, ast.List | ast.Tuple | ast.Set):
        inner = [*node.elts]
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
        inner = [node.elt]
    elif isinstance(node, ast.Subscript):
        inner = [node.value]
    elif isinstance(node, ast.Name):
        inner = [_value(source, node)]
    return (
        bool(inner)
        and steps > 0
        and all(one is not None and _are_texts(source, one, steps - 1) for one in inner)
    )


def _inner(source: Source, made: ast.Call) -> str:
    text = made.args[0] if called_name(made) != "set" else made
    return source.text_of(text)
