"""Explain two operands whose sizes do not fit, and propose changes."""

from __future__ import annotations

import ast
import math
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.changes import Wanted, argument_changes
from broken_convnets.commands.diagnose.analysis.sizes.channels_last import normalized_last
from broken_convnets.commands.diagnose.analysis.sizes.explanation import Explanation
from broken_convnets.commands.diagnose.analysis.sizes.expressions import operator_call, wrapped
from broken_convnets.commands.diagnose.analysis.sizes.layers import declared, output_argument
from broken_convnets.commands.diagnose.analysis.sizes.lineage import (
    JOINS,
    Origin,
    main_input,
    origin,
)
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import LATER, ranked
from broken_convnets.commands.diagnose.analysis.sizes.new_dimensions import rank_changes
from broken_convnets.commands.diagnose.analysis.sizes.operand_facts import (
    CHANNELS,
    cases_of,
    is_residual,
    is_spatial,
    joins_batches,
    kind_of,
    padded_on_some_sides,
    rounded,
    where_a_branch_shrinks,
    where_rounded,
    where_stride_is_missing,
)
from broken_convnets.commands.diagnose.analysis.sizes.resizing import (
    call_changes,
    crop_changes,
    own_size_changes,
    stride_changes,
    without_stride,
)
from broken_convnets.commands.diagnose.analysis.sizes.shortcuts import (
    shortcut_changes,
    where_shortcut_is_chosen,
)
from broken_convnets.commands.diagnose.analysis.sizes.tables import Table
from broken_convnets.commands.diagnose.analysis.sizes.wording import (
    described,
    location_of,
    shape,
    sizes,
)
from broken_convnets.commands.diagnose.edits import set_argument
from broken_convnets.commands.diagnose.sites import location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.sizes.branches import Branch
    from broken_convnets.commands.diagnose.analysis.sizes.mismatch import Group
    from broken_convnets.commands.diagnose.analysis.sizes.operands import Operands
    from broken_convnets.commands.diagnose.findings import Location
    from broken_convnets.observe.recorder.values import Value

PRODUCTS = {"matmul", "bmm", "__matmul__", "mm"}


def explain(found: Operands) -> Explanation:
    """Return the mistake that fits two operands, with its candidates."""
    if last := normalized_last(found):
        return last
    text = "; ".join(_story(found, branch) for branch in found.paths)
    if len(found.left.shape) != len(found.right.shape):
        return Explanation(kind_of(found), ranked(*rank_changes(found)), text)
    groups = list(_product_changes(found) if found.name in PRODUCTS else _changes(found))
    return Explanation(
        kind_of(found), ranked(*groups), text, cases=cases_of(found), cause=_cause(found)
    )


def _story(found: Operands, branch: Branch) -> str:
    """Say where an operand got the size that differs: `16 x 16 since conv1 Conv2d, ...`."""
    value, axis = branch.value, found.axes[0] if found.axes else 0
    for operator in branch.operators if axis > CHANNELS else ():
        before = main_input(operator)
        if before is None or before.shape[axis:] == value.shape[axis:]:
            continue
        step = next((one for one in branch.steps if one.operator is operator), None)
        made = Origin(value, operator)
        if step is not None:
            made = Origin(value, operator, step.layer, step.construction)
        since = described(found.evidence, made).removeprefix("the ")
        return f"{shape(value)} has {sizes(value.shape[axis:])} since the {since}"
    size = value.shape[axis] if len(value.shape) > axis else 0
    if value.operator is None and _is_stored(found, value):
        return f"{shape(value)} is a parameter or buffer"
    return (
        f"{shape(value)} is {described(found.evidence, origin(found.evidence.record, value, size))}"
    )


def _cause(found: Operands) -> Location | None:
    """Return the constructor of the layer that determined the size of the wrong operand."""
    size = found.axes[0] if found.axes else 0
    for table, _ in _tables(found):
        return table.location
    if joins_batches(found):
        return None
    if resized := _where_resized(found):
        return resized
    if is_residual(found) and not all(branch.steps for branch in found.paths):
        return _where_shortcut_is_chosen(found)
    for value in (found.right, found.left):
        made = origin(found.evidence.record, value, value.shape[size])
        if made.layer is not None and not is_spatial(found):
            return location_of(found.evidence, made.construction)
    return None


def _where_resized(found: Operands) -> Location | None:
    """Return the line that lets a branch return another height or width than the other."""
    if padded := next(padded_on_some_sides(found), None):
        return location_in(*padded[:2])
    return where_stride_is_missing(found) or where_a_branch_shrinks(found) or where_rounded(found)


def _where_shortcut_is_chosen(found: Operands) -> Location | None:
    """Return where a block chooses the module of its shortcut; None where it adds its input."""
    for branch, other, place in found.sides() if found.nodes else ():
        if not branch.steps and found.nodes and isinstance(found.nodes[place][1], ast.Call):
            return where_shortcut_is_chosen(found.evidence, other)
    return None


def _changes(found: Operands) -> Iterator[Group]:
    spatial = is_spatial(found)
    for source, call, text in padded_on_some_sides(found):
        yield 0, "", [partial(set_argument, source, call, "pad", 1, text)]
    if joins_batches(found):
        yield from _join_dimension(found)
    yield from _table_changes(found)
    if spatial:
        yield from _spatial_changes(found)
    if CHANNELS in found.axes or not spatial:
        yield from _channel_changes(found)
    if found.name in JOINS:
        yield from _join_dimension(found)


def _tables(found: Operands) -> Iterator[tuple[Table, int]]:
    """Yield the operands that are parameters or buffers, with the size that the other has."""
    for branch, other, _ in found.sides():
        value = branch.value
        if value.operator is None and found.axes and _is_stored(found, value):
            table = Table(found.evidence, value, found.axes[0])
            if table.node is not None:
                yield table, other.value.shape[found.axes[0]]


def _is_stored(found: Operands, value: Value) -> bool:
    latest = found.evidence.record.last_pass
    return value.parameter or (latest is not None and value not in latest.received)


def _table_changes(found: Operands) -> Iterator[Group]:
    for table, wanted in _tables(found):
        for rank, change in table.changes(wanted):
            yield rank, "", [change]


def _spatial_changes(found: Operands) -> Iterator[Group]:
    for branch, other, place in found.sides():
        yield from own_size_changes(found.evidence, branch, other.value.shape[-1])
        if other.stride > 1 and branch.stride == 1:
            for rank, step in enumerate(without_stride(branch, other)[:2]):
                yield rank, "", stride_changes(found.evidence, step, other)
            if not branch.convolutions and found.nodes:
                yield 1, "", shortcut_changes(found.evidence, other, found.nodes[place])
        yield from _sized_calls(found, branch, other, place)


def _sized_calls(found: Operands, branch: Branch, other: Branch, place: int) -> Iterator[Group]:
    """Yield resizing of the smaller operand, and cropping of the larger one."""
    if found.nodes is None:
        return
    source, node = found.nodes[1 - place]
    text = source.text_of(node)
    smaller = math.prod(branch.value.shape[2:]) < math.prod(other.value.shape[2:])
    upsampled = rounded(found)
    resized = any(op.name == "interpolate" for op in branch.operators)
    if upsampled[0] is branch if upsampled else smaller or resized:
        yield from call_changes(found.evidence, branch, found.nodes[place], text)
    if not smaller:
        rank = len(branch.value.shape)
        yield LATER + 2, "crops the larger one", crop_changes(found.nodes[place], text, rank)


def _channel_changes(found: Operands) -> Iterator[Group]:
    """Yield the changes of the layers that determine the size, and a projection."""
    axis = found.axes[0] if found.axes else CHANNELS
    for branch, other, place in found.sides():
        if not branch.convolutions and other.convolutions and found.nodes and is_residual(found):
            yield 0, "", shortcut_changes(found.evidence, other, found.nodes[place])
        wanted = other.value.shape[axis]
        made = origin(found.evidence.record, branch.value, branch.value.shape[axis])
        if made.layer is None:
            continue
        name = output_argument(made.layer)
        now = declared(made.layer, name)
        like = origin(found.evidence.record, other.value, wanted)
        target = Wanted(wanted, now, like=like)
        changes = argument_changes(found.evidence, made.construction, made.layer, name, target)
        yield 1, "", changes


def _join_dimension(found: Operands) -> Iterator[Group]:
    """Yield the change of the dimension of a torch.cat to the one that differs."""
    operator = found.failed.operator
    call = operator_call(found.evidence, operator) if operator else None
    differing = [
        d
        for d, (a, b) in enumerate(zip(found.left.shape, found.right.shape, strict=True))
        if a != b
    ]
    if call and len(differing) == 1:
        yield 0, "", [partial(set_argument, *call, "dim", 1, str(differing[0]))]


def _product_changes(found: Operands) -> Iterator[Group]:
    """Yield the transposition of the second factor, as in attention."""
    if found.nodes is not None and found.left.shape[-1] == found.right.shape[-1]:
        yield 0, "", [wrapped(*found.nodes[1], "{}.transpose(-2, -1)")]
        yield LATER, "", [wrapped(*found.nodes[0], "{}.transpose(-2, -1)")]
