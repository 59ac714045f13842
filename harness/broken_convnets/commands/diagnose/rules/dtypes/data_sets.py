"""Where the data sets of a program return a column of a batch, and where it asks for float64."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.sites import user_sources
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

DOUBLE = ("float64", "double")


def returned_columns(evidence: Evidence, which: int) -> Iterator[tuple[Source, ast.expr]]:
    """Yield the expressions of one column: 0 for the inputs, -1 for the targets.

    They are arguments of TensorDataset, and items of the tuple that `__getitem__` returns.
    """
    for source in user_sources(evidence):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and called_name(node) == "TensorDataset":
                if len(node.args) > 1:
                    yield source, node.args[which]
            elif isinstance(node, ast.FunctionDef) and node.name == "__getitem__":
                for statement in ast.walk(node):
                    value = statement.value if isinstance(statement, ast.Return) else None
                    if isinstance(value, ast.Tuple) and len(value.elts) > 1:
                        yield source, value.elts[which]


def doubles(evidence: Evidence) -> Iterator[tuple[Source, ast.expr, str]]:
    """Yield each request for float64 in the program, and the text that asks for float32."""
    for source in user_sources(evidence):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.keyword) and node.arg == "dtype":
                text = source.text_of(node.value)
                if text.endswith(DOUBLE):
                    yield source, node.value, f"{text.rpartition('.')[0]}.float32".lstrip(".")
            elif isinstance(node, ast.Call) and _is_method(node, "double") and not node.args:
                owner = node.func.value  # type: ignore[attr-defined]  # an Attribute, see _is_method
                yield source, node, f"{source.text_of(owner)}.float()"


def _is_method(call: ast.Call, name: str) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == name
