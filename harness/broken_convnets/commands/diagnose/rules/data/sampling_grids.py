"""A grid of grid_sample() has x first, then y, both from -1 to 1.

https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.grid_sample.html: "grid specifies
the sampling pixel locations normalized by the input spatial dimensions. Therefore, it should have
most values in the range of [-1, 1]".
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, require_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.sampling_grids import SamplingGrid

MORE = 4  # times that x changes more along the wrong dimension
MUCH = 0.5  # of the width of 2
EDGE = 0.1
XY = 2
MESH = "meshgrid"
STEPS = 12  # operators between the grid and what makes it


@rule(
    "a grid of grid_sample() has x, along the width, before y",
    stays_quiet="unless in all grids of a place the first number grows from row to row, and the "
    "second one from column to column, and neither changes much in the other direction; about the "
    "grids of affine_grid()",
)
def grid_has_rows_first(evidence: Evidence) -> Iterator[Finding]:
    """Find grids that are stacked from the row and the column, so that images are transposed."""
    require_success(evidence)
    for grids in _by_place(evidence):
        if not all(_is_transposed(one) for one in grids) or _is_affine(evidence, grids[0]):
            continue
        first = grids[0]
        yield Finding(
            kind="data",
            message="grid_sample() receives y before x: its output is transposed",
            evidence=f"from the first to the last row, the first number of the grid changes by "
            f"{first.x_down[0]:.2g}, and from the first to the last column by "
            f"{first.x_across[0]:.2g}; x comes first and changes along the columns",
            cause=_cause(evidence, first.operator, frozenset({"stack", "cat"})),
            symptom=location(first.operator.places),
            subject=first.operator.places[0].text,
            confidence=7,
        )


@rule(
    "a grid of grid_sample() has coordinates from -1 to 1",
    stays_quiet="unless x and y of all grids of a place go from about 0 to about the width and the "
    "height, or from 0 to 1 over all columns and rows",
)
def grid_is_not_normalized(evidence: Evidence) -> Iterator[Finding]:
    """Find grids in pixels, which lie outside of the image, and shares, which show a quarter."""
    require_success(evidence)
    for grids in _by_place(evidence):
        first = grids[0]
        if all(_is_in_pixels(one) for one in grids):
            what = "nearly all points lie outside of the image"
        elif all(_is_in_shares(one) for one in grids):
            what = "they show the lower right quarter of the image only"
        else:
            continue
        yield Finding(
            kind="data",
            message="grid_sample() receives coordinates that are not from -1 to 1",
            evidence=f"x goes from {first.x[0]:.3g} to {first.x[1]:.3g}, y from "
            f"{first.y[0]:.3g} to {first.y[1]:.3g}: {what}; -1 and 1 are the edges",
            cause=location(first.operator.places),
            subject=first.operator.places[0].text,
            confidence=7,
        )


def _by_place(evidence: Evidence) -> list[list[SamplingGrid]]:
    groups: dict[object, list[SamplingGrid]] = {}
    for one in evidence.record.content_facts.sampling_grids:
        groups.setdefault(one.operator.place, []).append(one)
    return list(groups.values())


def _is_transposed(grid: SamplingGrid) -> bool:
    """Return whether x grows down and y grows across, in each sample."""
    along = max(*map(abs, grid.x_across), *map(abs, grid.y_down))
    least = min(grid.x_down[0], grid.y_across[0])
    return least > 0 and least > MORE * along


def _is_affine(evidence: Evidence, grid: SamplingGrid) -> bool:
    """Return whether affine_grid() made a grid: it puts x first, and its matrix transposes."""
    maker = evidence.record.producer(grid.operator.inputs[1])
    return maker is not None and maker.name == "affine_grid"


def _is_in_pixels(grid: SamplingGrid) -> bool:
    height, width = grid.size
    fits = all(
        -EDGE * size < low and size / 2 < high < 2 * size and middle > 1
        for (low, high), size, middle in zip(
            (grid.x, grid.y), (width, height), grid.medians, strict=True
        )
    )
    return fits and min(grid.size) > MORE


def _is_in_shares(grid: SamplingGrid) -> bool:
    ends = all(abs(low) < EDGE / 2 and abs(high - 1) < EDGE / 2 for low, high in (grid.x, grid.y))
    grown = min(grid.x_across[0], grid.y_down[0]), min(grid.x_down[0], grid.y_across[0])
    return ends and max(grown) > 1 - EDGE


def _cause(evidence: Evidence, operator: Operator, names: frozenset[str]) -> Location | None:
    """Return where the last stack() before the grid is, or the grid itself.

    If x and y have the names of each other since meshgrid(), it is there.
    """
    waiting, seen = [(value, STEPS) for value in operator.inputs[1:2]], set()
    found: Operator | None = None
    while waiting:
        value, steps = waiting.pop(0)
        maker = evidence.record.producer(value)
        if maker is None or value in seen or not steps:
            continue
        seen.add(value)
        if maker.name == MESH and _names_exchanged(evidence, maker):
            return location(maker.places)
        joins = maker.name in names and maker.outputs and maker.outputs[0].shape[-1:] == (XY,)
        if found is None and joins and maker.places and len(maker.inputs) == XY:
            found = maker
        waiting += [(one, steps - 1) for one in maker.inputs]
    return location((found or operator).places)


def _names_exchanged(evidence: Evidence, mesh: Operator) -> bool:
    """Return whether the rows of meshgrid() are assigned to a name of x, and the columns to y."""
    source = evidence.source(mesh.places[0].file) if mesh.places else None
    statement = source.statement_at(mesh.places[0].line) if source else None
    if not isinstance(statement, ast.Assign) or mesh.literals.get("indexing", "ij") != "ij":
        return False
    target = statement.targets[0]
    if not isinstance(target, ast.Tuple) or len(target.elts) != XY:
        return False
    rows, columns = (one.id.lower() if isinstance(one, ast.Name) else "" for one in target.elts)
    return "x" in rows and "y" in columns and "y" not in rows and "x" not in columns
