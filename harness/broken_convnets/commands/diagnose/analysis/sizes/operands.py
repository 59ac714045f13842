"""The two operands of the operator that raised, and the layers that lead to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.branches import Branch, branches
from broken_convnets.commands.diagnose.analysis.sizes.expressions import operands
from broken_convnets.commands.diagnose.analysis.sizes.lineage import JOINS
from broken_convnets.commands.diagnose.analysis.sizes.wording import (
    shortened,
)

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.values import Value

ELEMENTWISE = {"add", "sub", "mul", "div", "rsub", "true_divide", "where", "maximum", "minimum"}
PRODUCTS = {"matmul", "bmm", "__matmul__", "mm"}
PAIR = 2


@dataclass(frozen=True)
class Operands:
    """Two operands, their branches, and their expressions in the user's source."""

    evidence: Evidence
    failed: FailedCall
    name: str
    left: Value
    right: Value
    paths: tuple[Branch, Branch]
    nodes: tuple[tuple[Source, ast.expr], tuple[Source, ast.expr]] | None

    @property
    def texts(self) -> tuple[str, str]:
        """The texts of both operands."""
        if self.nodes is None:
            return "the first operand", "the second"
        left, right = (shortened(source.text_of(node)) for source, node in self.nodes)
        return left, right

    @property
    def axes(self) -> list[int]:
        """The dimensions that do not fit, for operands with equally many."""
        pairs = list(zip(self.left.shape, self.right.shape, strict=False))
        if self.name not in JOINS:
            return [d for d, (a, b) in enumerate(pairs) if a != b and 1 not in {a, b}]
        differing = [d for d, (a, b) in enumerate(pairs) if a != b]
        return [d for d in differing if d != self._joined_dimension] or differing

    @property
    def _joined_dimension(self) -> int:
        """The dimension that may differ in a torch.cat."""
        operator = self.failed.operator
        literals = operator.literals if operator else {}
        dim = literals.get("dim", literals.get("axis", literals.get(1, 0)))
        return dim % len(self.left.shape) if isinstance(dim, int) and self.left.shape else 0

    def sides(self) -> Iterator[tuple[Branch, Branch, int]]:
        """Yield each branch with the other one, and its position."""
        yield *self.paths, 0
        yield self.paths[1], self.paths[0], 1


def operands_of(evidence: Evidence, failed: FailedCall) -> Operands | None:
    """Return the operands of the operator that raised; None if it is of another kind."""
    operator = failed.operator
    if operator is None or failed.layer is not None:
        return None
    name = operator.name.strip("_").removeprefix("r").removeprefix("i")
    name = operator.name.strip("_") if name not in ELEMENTWISE else name
    if name not in ELEMENTWISE | JOINS | PRODUCTS:
        return None
    values = list(operator.inputs)
    pair = _odd_pair(values) if name in JOINS else values[-2:] if name == "where" else values[:2]
    if len(pair) != PAIR or (pair[0].shape == pair[1].shape and name not in PRODUCTS):
        return None
    left, right = pair
    nodes = _nodes(evidence, failed, values.index(left), values.index(right), len(values))
    paths = branches(evidence.record, left, right)
    return Operands(evidence, failed, name, left, right, paths, nodes)


def _odd_pair(values: list[Value]) -> list[Value]:
    """Return the first tensor and the first one that does not fit it."""
    first = values[0] if values else None
    for other in values[1:]:
        if first is not None and (
            len(other.shape) != len(first.shape)
            or sum(a != b for a, b in zip(first.shape, other.shape, strict=True)) > 1
        ):
            return [first, other]
    others = [value for value in values[1:] if first is not None and value.shape != first.shape]
    return [*values[:1], *others[:1]] if others else values[:2]


def _nodes(
    evidence: Evidence, failed: FailedCall, first: int, second: int, count: int
) -> tuple[tuple[Source, ast.expr], tuple[Source, ast.expr]] | None:
    place = failed.places[0]
    source = evidence.source(place.file)
    node = source.expression_at(place) if source else None
    parts = operands(source, node) if source else []
    if source is None or len(parts) < count:
        statement = source.statement_at(place.line) if source else None
        target, value = getattr(statement, "target", None), getattr(statement, "value", None)
        if source is None or target is None or value is None or count != PAIR:
            return None
        parts = [target, value]  # of `x += y`
    return (source, parts[first]), (source, parts[second])
