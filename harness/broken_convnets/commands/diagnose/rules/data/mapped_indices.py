"""All parts of a sample are read with one index."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.bindings import bindings
from broken_convnets.commands.diagnose.analysis.returns import callee
from broken_convnets.commands.diagnose.analysis.user_frames import attribute_of
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.returns import Callee
    from broken_convnets.commands.diagnose.evidence import Evidence


class Read(NamedTuple):
    """`self.name[...]` in `__getitem__`; `table` maps the index of the sample, if any does."""

    node: ast.Subscript
    name: str
    table: str


@rule(
    "all parts of a sample are read with one index",
    stays_quiet="unless two parts have equally many items, more than the dataset, and the index of "
    "one is looked up in a table that is as long as the dataset",
)
def index_not_mapped(evidence: Evidence) -> Iterator[Finding]:
    """Find labels that are read at the position in a split, and images at the row behind it."""
    for dataset in {id(one.data): one.data for one in evidence.record.loaders}.values():
        method = callee(evidence, getattr(dataset, "__getitem__", None))
        found = _mixed(method, dataset) if method else None
        if method is None or found is None:
            continue
        mapped, plain = found
        index, text = method.source.text_of(mapped.node.slice), method.source.text_of(plain.node)
        change = partial(edits.replace, method.source, [(plain.node.slice, index)])
        yield Finding(
            kind="data/pairs_out_of_order",
            message=f"`{text}` is not of the sample that `{method.source.text_of(mapped.node)}` "
            "is of",
            evidence=f"{type(dataset).__name__} has {len(dataset)} samples, chosen by "
            f"self.{mapped.table} out of {_length(dataset, plain.name)}; self.{mapped.name} is "
            f"read at the chosen row, and self.{plain.name} is not",
            cause=location_in(method.source, plain.node),
            subject=text,
            cases=("data/pairs_out_of_order",),
            candidates=candidates((0, change)),
            confidence=8,
        )
        return


def _mixed(method: Callee, dataset: Any) -> tuple[Read, Read] | None:
    """Return a read through a table, and one of a part as long that goes past the table."""
    arguments = [argument.arg for argument in method.function.args.args]
    count = _length(dataset, "")
    if len(arguments) < 2 or not count:  # noqa: PLR2004  (self, and an index)
        return None
    reads = list(_reads(method, arguments[1]))
    mapped = [one for one in reads if one.table and _length(dataset, one.table) == count]
    tables = {one.table for one in mapped}
    for one in mapped:
        rows = _length(dataset, one.name)
        for other in reads:
            plain = not other.table and other.name not in tables
            if plain and rows and rows > count and _length(dataset, other.name) == rows:
                return one, other
    return None


def _reads(method: Callee, index: str) -> Iterator[Read]:
    for node in ast.walk(method.function):
        if not isinstance(node, ast.Subscript) or not (name := _own_attribute(node.value)):
            continue
        behind = _unwrapped(node.slice)
        if isinstance(behind, ast.Name) and behind.id != index:
            bound = [b.value for b in bindings(method.function.body, behind.id) if b.item is None]
            behind = _unwrapped(bound[0]) if len(bound) == 1 else behind
        if isinstance(behind, ast.Name) and behind.id == index:
            yield Read(node, name, "")
        elif isinstance(behind, ast.Subscript) and isinstance(behind.slice, ast.Name):
            table = _own_attribute(behind.value)
            if table and behind.slice.id == index:
                yield Read(node, name, table)


def _unwrapped(node: ast.expr) -> ast.expr:
    """Return the index behind `int(...)` and `.item()`."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "item":
            return node.func.value
        if isinstance(node.func, ast.Name) and node.func.id == "int" and len(node.args) == 1:
            return _unwrapped(node.args[0])
    return node


def _own_attribute(node: ast.expr) -> str:
    owned = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    return node.attr if isinstance(node, ast.Attribute) and owned else ""


def _length(dataset: Any, name: str) -> int:
    """Return the length of an attribute of a dataset, of the dataset itself for none; else 0."""
    try:
        return len(attribute_of(dataset, name) if name else dataset)  # type: ignore[arg-type]  # may have no length
    except TypeError:
        return 0
