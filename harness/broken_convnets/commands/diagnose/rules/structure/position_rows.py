"""Each step of a sequence receives its own row of a table of positions."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.counters import own_nodes, scope_of
from broken_convnets.commands.diagnose.rules.loss.producers import TRANSPARENT
from broken_convnets.commands.diagnose.rules.loss.terms import plain_name
from broken_convnets.commands.diagnose.sites import candidates, location, require_success
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

SEQUENCE = 3  # dimensions: samples, steps, features
STEPS = 4  # operators between the row and the addition
MOVES = TRANSPARENT | {"expand", "expand_as", "detach", "clone"}


class Size(NamedTuple):
    """A size of a tensor that an expression reads: `x.shape[1]`, `len(x)`."""

    text: str  # the tensor
    dim: int


class Row(NamedTuple):
    """One row of a table, whose index is the length of the sequence that it is added to."""

    source: Source
    at: ast.expr
    size: Size
    operator: Operator
    added: Operator
    length: int
    rows: int


@rule(
    "each step of a sequence receives its own row of a table of positions",
    stays_quiet="unless a table that depends on no input is read at the index that is the size of "
    "a sequence, the one row is added to all steps of it, and nothing reads other rows; a warning "
    "for a table of parameters",
)
def one_position_for_all(evidence: Evidence) -> Iterator[Finding]:
    """Find `x + self.pe[:, x.size(1)]` where a slice up to it is meant."""
    require_success(evidence)
    seen: set[object] = set()
    for operator in evidence.record.operators:
        place = operator.place
        if operator.name != "__getitem__" or place is None or place in seen:
            continue
        seen.add(place)
        row = _row(evidence, operator)
        if row is None or _has_other_reads(evidence, row):
            continue
        text = row.source.text_of(row.at)
        yield Finding(
            kind="module",
            message=f"`{place.text}` is one row of the table, which all {row.length} steps of the "
            "sequence receive",
            evidence=f"the index {text} is the length {row.length} of the sequence, and the table "
            f"has {row.rows} rows; `{row.added.places[0].text}` adds shape "
            f"{list(operator.outputs[0].shape)} to {list(row.added.outputs[0].shape)}, so that "
            f"the steps have no order; `:{text}` takes one row for each step",
            severity=Severity.WARNING if operator.inputs[0].requires_grad else Severity.ERROR,
            cause=location(operator.places),
            symptom=location(row.added.places),
            subject=place.text,
            candidates=candidates((0, partial(edits.replace, row.source, [(row.at, f":{text}")]))),
            confidence=7,
        )


def _row(evidence: Evidence, operator: Operator) -> Row | None:
    """Return the row that an operator reads at the size of the sequence that it is added to."""
    source = evidence.source(operator.places[0].file)
    node = source.expression_at(operator.places[0]) if source else None
    if source is None or not isinstance(node, ast.Subscript) or len(operator.inputs) != 1:
        return None
    table = operator.inputs[0]
    picked = _picked(node, len(table.shape))
    size = _size(source, picked[1]) if picked else None
    added = _addition(evidence, operator.outputs[0]) if operator.outputs else None
    if picked is None or size is None or added is None or _is_computed(evidence, table):
        return None
    shape, part = added.outputs[0].shape, operator.outputs[0].shape
    inside = -len(shape) <= size.dim < len(shape) - 1 and size.dim != -1
    rows, length = table.shape[picked[0]], shape[size.dim] if inside else 0
    whole = part[-1:] == shape[-1:] and set(part[:-1]) <= {1}
    fits = 1 < length < rows and len(shape) >= SEQUENCE and whole
    return Row(source, picked[1], size, operator, added, length, rows) if fits else None


def _picked(node: ast.Subscript, dims: int) -> tuple[int, ast.expr] | None:
    """Return the dimension that an index reads one row of, all others being whole."""
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    singles = [(at, one) for at, one in enumerate(parts) if not _is_whole(one)]
    if len(singles) != 1 or isinstance(singles[0][1], ast.Slice):
        return None
    at, index = singles[0]
    dots = [i for i, one in enumerate(parts) if isinstance(one, ast.Constant)]
    behind = bool(dots) and dots[0] < at
    return (dims - len(parts) + at if behind else at), index


def _is_whole(node: ast.expr) -> bool:
    """Return whether a part of an index is `:` or `...`."""
    if isinstance(node, ast.Constant):
        return node.value is Ellipsis
    return isinstance(node, ast.Slice) and node.lower is node.upper is node.step is None


def _size(source: Source, node: ast.expr) -> Size | None:
    """Return the size that an expression reads, also by a name that it was assigned to."""
    if isinstance(node, ast.Name):
        found = [
            one
            for each in own_nodes(scope_of(source, node))
            if isinstance(each, ast.Assign)
            and (one := _assigned_size(source, each, node.id)) is not None
        ]
        return found[0] if len(found) == 1 else None
    if isinstance(node, ast.Call) and called_name(node) == "len" and len(node.args) == 1:
        return Size(source.text_of(node.args[0]), 0)
    if isinstance(node, ast.Call) and called_name(node) == "size" and len(node.args) == 1:
        dim, owner = node.args[0], node.func
        return _sized(source, owner, dim) if isinstance(owner, ast.Attribute) else None
    if isinstance(node, ast.Subscript) and _is_shape(node.value):
        shape = node.value.func if isinstance(node.value, ast.Call) else node.value
        return _sized(source, shape, node.slice) if isinstance(shape, ast.Attribute) else None
    return None


def _sized(source: Source, owner: ast.Attribute, dim: ast.expr) -> Size | None:
    number = dim.operand if isinstance(dim, ast.UnaryOp) else dim
    if not isinstance(number, ast.Constant) or type(number.value) is not int:
        return None
    return Size(source.text_of(owner.value), number.value if number is dim else -number.value)


def _is_shape(node: ast.expr) -> bool:
    """Return whether an expression is `x.shape` or `x.size()`."""
    if isinstance(node, ast.Call):
        return called_name(node) == "size" and not node.args
    return isinstance(node, ast.Attribute) and node.attr == "shape"


def _assigned_size(source: Source, statement: ast.Assign, name: str) -> Size | None:
    """Return the size that a statement assigns to a name, alone or in `b, t, d = x.shape`."""
    target, value = statement.targets[0], statement.value
    if isinstance(target, ast.Name) and target.id == name:
        return _size(source, value) if not isinstance(value, ast.Name) else None
    if isinstance(target, ast.Tuple) and _is_shape(value):
        names = [one.id if isinstance(one, ast.Name) else "" for one in target.elts]
        shape = value.func if isinstance(value, ast.Call) else value
        if name in names and isinstance(shape, ast.Attribute):
            return Size(source.text_of(shape.value), names.index(name))
    return None


def _addition(evidence: Evidence, value: Value) -> Operator | None:
    """Return what adds a value to a larger one."""
    for _ in range(STEPS):
        users = evidence.flow.consumers(value)
        for one in users:
            others = [v for v in one.inputs if v is not value]
            larger = bool(one.outputs) and [one.outputs[0].shape] == [v.shape for v in others]
            if plain_name(one) == "add" and one.places and larger:
                return one if others[0].shape != value.shape else None
        moved = [one for one in users if one.name in MOVES and one.outputs]
        if not moved:
            return None
        value = moved[0].outputs[0]
    return None


def _is_computed(evidence: Evidence, table: Value) -> bool:
    """Return whether a table depends on what a network received."""
    known = evidence.flow.ancestors([table])
    received = (v for one in evidence.record.passes for v in one.received)
    return any(value in known and not value.parameter for value in received)


def _has_other_reads(evidence: Evidence, row: Row) -> bool:
    """Return whether other lines read rows of the same table, as of a step that is generated."""
    here = row.operator.places[0]
    return any(
        one.name in {"__getitem__", "embedding", "index_select"} and one.places[:1] != (here,)
        for one in evidence.flow.consumers(row.operator.inputs[0])
        if one.places
    )
