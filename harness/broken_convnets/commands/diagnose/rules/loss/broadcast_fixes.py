"""Changes that give outputs and targets one shape."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.rules.loss.pairing import (
    DIFFERENCES,
    EQUALITIES,
    LOSSES,
    paired,
)
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

    Shape = tuple[int, ...]


def one_shape(evidence: Evidence, operator: Operator, longer: Value) -> tuple[Candidate, ...]:
    """Return the changes that remove, or add, the dimension of size 1."""
    source = evidence.source(operator.places[0].file)
    node = source.expression_at(operator.places[0]) if source else None
    pair = _operands(node) if node else None
    if source is None or pair is None:
        return ()
    first_is_longer = operator.inputs[0] is longer
    if operator.name in {"__rsub__", "rsub"}:
        first_is_longer = not first_is_longer
    long, short = pair if first_is_longer else pair[::-1]
    dim = _extra_dimension(longer.shape)
    return candidates(
        *_squeezed_in_network(evidence, longer, dim),
        (0, partial(edits.replace, source, [(long, _method(source, long, f"squeeze({dim})"))])),
        (1, partial(edits.replace, source, [(short, _method(source, short, f"unsqueeze({dim})"))])),
    )


def _squeezed_in_network(
    evidence: Evidence, column: Value, dim: int
) -> Iterator[tuple[int, Callable[[], Patch]]]:
    """Yield the change of what a network returns, if several operators pair the same column."""
    forward = next((p for p in evidence.record.passes if column in p.returned), None)
    if forward is None or len(forward.returned) != 1:
        return
    outputs = {v for p in evidence.record.passes for v in p.returned}
    users = {
        operator.places[0]
        for operator in evidence.record.operators
        if operator.places
        and (operator.name in LOSSES | DIFFERENCES | EQUALITIES)
        and (pair := paired(operator)) is not None
        and pair[0] in outputs
    }
    maker = evidence.record.producer(column)
    source = evidence.source(maker.places[0].file) if maker and maker.places else None
    node = source.expression_at(maker.places[0]) if source and maker else None
    statement = source.statement_of(node) if source and node else None
    function = source.function_of(statement) if source and statement else None
    if len(users) < 2 or source is None or function is None or function.name != "forward":  # noqa: PLR2004  (one line to change is simpler)
        return
    if isinstance(statement, ast.Return) and statement.value is not None:
        text = _method(source, statement.value, f"squeeze({dim})")
        yield 0, partial(edits.replace, source, [(statement.value, text)])


def _operands(node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
    """Return the two compared expressions of an operator, a method or a function."""
    if isinstance(node, ast.BinOp):
        return node.left, node.right
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return node.left, node.comparators[0]
    if isinstance(node, ast.Call):
        first, second = argument(node, "input", 0), argument(node, "target", 1)
        if first is not None and second is not None:
            return first, second
        if isinstance(node.func, ast.Attribute) and len(node.args) == 1:
            return node.func.value, node.args[0]
    return None


def _extra_dimension(shape: Shape) -> int:
    """Return the dimension of size 1 to remove; the last one as -1."""
    found = [i for i, n in enumerate(shape) if n == 1]
    dim = found[0] if found else -1
    return -1 if dim == len(shape) - 1 else dim


def _method(source: Source, node: ast.expr, call: str) -> str:
    return f"{source.owner_text(node)}.{call}"
