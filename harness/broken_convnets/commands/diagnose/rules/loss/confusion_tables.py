"""Confusion matrices of two classes, as statements about pairs of classes compute them."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = re.compile(
    r"^(self\.)?(n|nc|c|k|num_?class(es)?|n_?class(es)?|nclass(es)?|n_?cls|classes)$", re.IGNORECASE
)


def table_of(rows: Any, columns: Any) -> Any:
    """Return how often each pair of a row and a column comes."""
    found = np.zeros((2, 2))
    np.add.at(found, (np.asarray(rows, int), np.asarray(columns, int)), 1)
    return found


def counted_rows(numbers: Any) -> Any:
    """Return the table that bincount() of `2 * row + column` counts."""
    return np.bincount(np.asarray(numbers, int), minlength=4).astype(float).reshape(2, 2)


def is_count(node: ast.expr) -> bool:
    """Return whether a name is that of the number of classes."""
    return isinstance(node, ast.Name | ast.Attribute) and bool(COUNT.search(ast.unparse(node)))


def part_of(table: Any, index: ast.expr, value: Callable[[ast.expr], Any]) -> Any:
    """Return an entry, a row or a column of a table; raises TypeError for anything else."""
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    numbers = [slice(None) if isinstance(part, ast.Slice) else int(value(part)) for part in parts]
    return table[tuple(numbers)]


def summed(table: Any, call: ast.Call, dims: list[ast.expr]) -> Any:
    """Return the sum along the dimension that a call of sum() names."""
    given = [*dims, *(k.value for k in call.keywords if k.arg in {"dim", "axis"})]
    axis = ast.literal_eval(given[0]) if given else None
    return np.sum(table, axis=axis)
