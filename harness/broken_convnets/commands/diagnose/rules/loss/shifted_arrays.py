"""Cumulative products of NumPy without their last element, and a number that is appended."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose.sites import assignments, calls_named
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

NEUTRAL = {"cumprod": 1.0, "cumsum": 0.0}
MODULES = frozenset({"np", "numpy"})
JOINS = ("append", "concatenate", "hstack")


class AppendedArray(NamedTuple):
    """A call that appends a number to the shortened result of `cumulative`."""

    source: Source
    call: ast.Call
    cumulative: ast.Call
    number: float


def appended_arrays(evidence: Evidence) -> Iterator[AppendedArray]:
    """Yield calls such as `np.append(products[:-1], 1.0)`."""
    for source, call in calls_named(evidence, *JOINS):
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        parts = call.args
        if parts and isinstance(parts[0], ast.Tuple | ast.List):
            parts = parts[0].elts
        if owner is None or source.text_of(owner) not in MODULES or len(parts) != 2:  # noqa: PLR2004  (products, one more)
            continue
        cumulative, number = _shortened(source, parts[0]), _number(parts[1])
        if cumulative is not None and number == NEUTRAL[called_name(cumulative)]:
            yield AppendedArray(source, call, cumulative, number)


def _shortened(source: Source, node: ast.expr) -> ast.Call | None:
    """Return the only cumprod() or cumsum() that `x[:-1]` is a part of; None for others."""
    if not isinstance(node, ast.Subscript) or source.text_of(node.slice) != ":-1":
        return None
    text = source.text_of(node.value)
    is_attribute = isinstance(node.value, ast.Attribute)
    scope = source.class_of(node) if is_attribute else source.function_of(node)
    values = [one.value for one in assignments(source, text, scope or source.tree)]
    calls = [one for one in values if isinstance(one, ast.Call) and called_name(one) in NEUTRAL]
    return calls[0] if len(values) == len(calls) == 1 else None


def _number(node: ast.expr) -> float | None:
    if isinstance(node, ast.List | ast.Tuple) and len(node.elts) == 1:
        node = node.elts[0]
    value = node.value if isinstance(node, ast.Constant) else None
    return float(value) if isinstance(value, int | float) else None
