"""Where the datasets of a program return a column of a batch, and where it asks for float64."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.bindings import bindings
from broken_convnets.commands.diagnose.findings import Location
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.origins import Origin
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

DOUBLE = ("float64", "double")


def returned_columns(evidence: Evidence, which: int) -> Iterator[tuple[Source, ast.expr]]:
    """Yield the expressions of one column: 0 for the inputs, -1 for the targets.

    They are arguments of TensorDataset, and items of the tuple that `__getitem__` returns. A name
    that it only returns is followed to its last assignment.
    """
    for source in evidence.user_sources:
        for node in source.nodes:
            if isinstance(node, ast.Call) and called_name(node) == "TensorDataset":
                if len(node.args) > 1:
                    yield source, node.args[which]
            elif isinstance(node, ast.FunctionDef) and node.name == "__getitem__":
                for statement in ast.walk(node):
                    value = statement.value if isinstance(statement, ast.Return) else None
                    if isinstance(value, ast.Tuple) and len(value.elts) > 1:
                        yield source, _computed(source, value.elts[which])


def loaded_place(evidence: Evidence, origin: Origin, which: int) -> Location | None:
    """Return where the only dataset computes a column of the batches that a value comes from.

    None for other values.
    """
    columns = list(returned_columns(evidence, which)) if is_loaded(origin) else []
    if len(columns) != 1:
        return None
    source, node = columns[0]
    return Location(source.path, node.lineno)


def _computed(source: Source, node: ast.expr) -> ast.expr:
    """Return what a name that is only returned was assigned last; the node itself otherwise."""
    function = source.function_of(node)
    if not isinstance(node, ast.Name) or function is None or not _is_only_returned(function, node):
        return node
    found = [one for one in bindings(function.body, node.id) if one.item is None]
    return found[-1].value if found and not found[-1].looped else node


def _is_only_returned(function: ast.AST, name: ast.Name) -> bool:
    """Return whether a name is read nowhere else in a function."""
    same = (n for n in ast.walk(function) if isinstance(n, ast.Name) and n.id == name.id)
    return sum(isinstance(n.ctx, ast.Load) for n in same) == 1


def is_loaded(origin: Origin) -> bool:
    """Return whether a value comes from a loop over a loader, perhaps moved to a device."""
    node = origin.node
    if isinstance(node, ast.Call) and called_name(node) in {"to", "cuda", "long", "float"}:
        return isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
    return origin.looped


def doubles(evidence: Evidence) -> Iterator[tuple[Source, ast.expr, str]]:
    """Yield each request for float64 in the program, and the text that asks for float32."""
    for source in evidence.user_sources:
        for node in source.nodes:
            if isinstance(node, ast.keyword) and node.arg == "dtype":
                text = source.text_of(node.value)
                if text.endswith(DOUBLE):
                    yield source, node.value, f"{text.rpartition('.')[0]}.float32".lstrip(".")
            elif isinstance(node, ast.Call) and _is_method(node, "double") and not node.args:
                owner = node.func.value  # type: ignore[attr-defined]  # an Attribute, see _is_method
                yield source, node, f"{source.text_of(owner)}.float()"


def _is_method(call: ast.Call, name: str) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == name
