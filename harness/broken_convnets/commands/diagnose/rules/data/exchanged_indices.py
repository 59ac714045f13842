"""A grid is indexed by row and column in one order."""

from __future__ import annotations

import ast
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator

INDEXING = frozenset({"__getitem__", "__setitem__"})
AXES = (("x", "y"), ("col", "row"), ("column", "row"), ("width", "height"))  # across, down


class Indexing(NamedTuple):
    """A subscript of a tensor by a column and a row, and how many of both the tensor has."""

    source: Source
    node: ast.Subscript
    pair: tuple[ast.Name, ast.Name]  # in their order
    across_first: bool
    sizes: tuple[int, int]  # of the two dimensions

    @property
    def text(self) -> str:
        """The two indices in their order."""
        return f"[{self.pair[0].id}, {self.pair[1].id}]"


@rule(
    "a grid is indexed by row and column in the same order everywhere",
    stays_quiet="unless the names of the indices differ in x and y, or in row and column, alone, "
    "and two tensors with a grid of the same size are indexed in both orders",
)
def grid_indices_exchanged(evidence: Evidence) -> Iterator[Finding]:
    """Find targets that are written at [x, y], and read at [y, x]."""
    require_success(evidence)
    found = {(one.source.path, one.node): one for one in _indexings(evidence)}.values()
    across = [one for one in found if one.across_first]
    down = [one for one in found if not one.across_first]
    for one in across:
        other = next((d for d in down if d.sizes[::-1] == one.sizes), None)
        if other is None:
            continue
        first, second = one.pair
        change = [(first, second.id), (second, first.id)]
        yield Finding(
            kind="data/reshape_instead_of_permute",
            message=f"a grid is indexed by {one.text} here, and by {other.text} elsewhere",
            evidence=f"`{one.source.text_of(one.node)}` counts columns first, and "
            f"`{other.source.text_of(other.node)}` in line {other.node.lineno} rows first, as the "
            "dimensions (height, width) of an image",
            cause=location_in(one.source, one.node),
            symptom=location_in(other.source, other.node),
            subject=one.source.text_of(one.node),
            candidates=candidates((0, partial(edits.replace, one.source, change))),
            confidence=6,
        )
        return


def _indexings(evidence: Evidence) -> Iterator[Indexing]:
    """Yield what the first subscript at each place is indexed by."""
    indexing = (o for o in evidence.record.operators if o.name in INDEXING and o.inputs)
    first = {o.places[0]: o for o in reversed(list(indexing)) if o.places}
    for operator in first.values():
        source = evidence.source(operator.places[0].file)
        node = source.expression_at(operator.places[0]) if source else None
        if source is not None and isinstance(node, ast.Subscript):
            yield from _pairs(source, node, operator)


def _pairs(source: Source, node: ast.Subscript, operator: Operator) -> Iterator[Indexing]:
    """Yield two neighboring indices that are a column and a row, in whichever order."""
    if not isinstance(node.slice, ast.Tuple):
        return
    shape = operator.inputs[0].shape
    for position, (first, second) in enumerate(pairwise(node.slice.elts)):
        if not isinstance(first, ast.Name) or not isinstance(second, ast.Name):
            continue
        across = _is_across(first.id, second.id)
        ellipsis = any(
            isinstance(one, ast.Constant) and one.value is Ellipsis for one in node.slice.elts
        )
        at = position - len(node.slice.elts) + len(shape) if ellipsis else position
        if across is not None and at + 2 <= len(shape):
            yield Indexing(source, node, (first, second), across, (shape[at], shape[at + 1]))


def _is_across(first: str, second: str) -> bool | None:
    """Return whether the first index is the column of what the second is the row; None if not."""
    for across, down in AXES:
        for names, answer in (((first, second), True), ((second, first), False)):
            one, other = names
            if across in one and one.replace(across, down, 1) == other:
                return answer
            if one.endswith(across) and one[: -len(across)] + down == other:
                return answer
    return None
