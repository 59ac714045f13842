"""What two operands whose sizes do not fit have in common: a sum, branches of a block, a batch."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.expressions import operator_call
from broken_convnets.commands.diagnose.analysis.sizes.helpers import setting_of
from broken_convnets.commands.diagnose.analysis.sizes.lineage import JOINS, main_input
from broken_convnets.commands.diagnose.analysis.sizes.operands import ELEMENTWISE, PAIR
from broken_convnets.commands.diagnose.analysis.sizes.resizing import (
    where_size_is_lost,
    without_stride,
)
from broken_convnets.commands.diagnose.analysis.sizes.wording import location_of
from broken_convnets.commands.diagnose.sites import location, location_in
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.sizes.branches import Branch
    from broken_convnets.commands.diagnose.analysis.sizes.operands import Operands
    from broken_convnets.commands.diagnose.findings import Location
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

RESIZES = {"interpolate", "upsample"}
CROPS = {"__getitem__", "narrow", "center_crop"}
IMAGE = 4
CHANNELS = 1


def is_residual(found: Operands) -> bool:
    """Return whether a shared value reaches both operands of a sum, one through layers."""
    left, right = found.paths
    return left.start is not None and found.name in ELEMENTWISE and bool(left.steps or right.steps)


def _lacks_stride(found: Operands) -> bool:
    """Return whether one of two branches of a block has a stride, and the other one has not."""
    left, right = found.paths
    resized = any(b.transposed or any(o.name in RESIZES for o in b.operators) for b in found.paths)
    parallel = left.start is not None and bool(left.convolutions and right.convolutions)
    return parallel and not resized and (left.stride == 1) != (right.stride == 1)


def kind_of(found: Operands) -> str:
    """Return the kind of mistake."""
    images = len(found.left.shape) == len(found.right.shape) >= IMAGE
    in_network = bool(found.failed.operator and found.failed.operator.layer)
    if (
        found.name in JOINS
        and len(found.left.shape) == len(found.right.shape)
        and is_spatial(found)
    ):
        return (
            "shape/residual_size_mismatch" if _lacks_stride(found) else "shape/unet_skip_mismatch"
        )
    if is_residual(found) and images:
        return "shape/residual_size_mismatch" if in_network else "shape/odd_size_down_up"
    return "shape/elementwise_size_mismatch"


def cases_of(found: Operands) -> tuple[str, ...]:
    """Return the cases that show the kind of mistake."""
    known = {
        "shape/unet_skip_mismatch": "shape/unet_skip_odd_size",
        "shape/odd_size_down_up": "shape/decoder_output_size_mismatch",
    }
    kind = kind_of(found)
    if kind == "shape/residual_size_mismatch":
        channels = CHANNELS in found.axes
        return (
            "shape/residual_channel_mismatch" if channels else "shape/residual_shortcut_stride",
        )
    return (known[kind],) if kind in known else ()


def joins_batches(found: Operands) -> bool:
    """Return whether feature maps that differ in their channels alone are joined as a batch."""
    operator = found.failed.operator
    literals = operator.literals if operator and found.name in JOINS else {}
    return literals.get("dim", literals.get(1, 0)) == 0 and found.axes == [CHANNELS]


def where_stride_is_missing(found: Operands) -> Location | None:
    """Return where the layer of a branch is constructed that lacks the stride of the other one."""
    for branch, other, _ in found.sides() if _lacks_stride(found) and is_spatial(found) else ():
        if other.stride > 1 and branch.stride == 1:
            step = without_stride(branch, other)[0]
            made = setting_of(found.evidence, step.construction, step.layer, "stride")
            return location_in(made.site.source, made.site.call) if made else None
    return None


def where_a_branch_shrinks(found: Operands) -> Location | None:
    """Return where the one layer is constructed that lets a branch shrink, if others keep sizes.

    A cropped or interpolated branch has its size from there.
    """
    resized = any(o.name in RESIZES | CROPS for b in found.paths for o in b.operators)
    if resized or not is_spatial(found):
        return None
    for branch, other, _ in found.sides():
        if branch.value.shape[-1] < other.value.shape[-1]:
            step = where_size_is_lost(branch, other.value.shape[-1])
            if step is not None:
                return location_of(found.evidence, step.construction)
    return None


def padded_on_some_sides(found: Operands) -> Iterator[tuple[Source, ast.Call, str]]:
    """Yield the calls of F.pad that pad the width alone, though the height differs, and its fix.

    The sizes of `pad` begin with those of the last dimension.
    """
    for branch in found.paths if CHANNELS + 1 in found.axes else ():
        for operator in branch.operators:
            call = operator_call(found.evidence, operator) if operator.name == "pad" else None
            sizes = argument(call[1], "pad", 1) if call else None
            if call and isinstance(sizes, ast.Tuple | ast.List) and len(sizes.elts) == PAIR:
                one, other = map(call[0].text_of, sizes.elts)
                yield *call, f"({one}, {other}, {one}, {other})"


def rounded(found: Operands) -> tuple[Branch, Operator] | None:
    """Return the branch that is upsampled to a few pixels more or less than the other, and where.

    Upsampling by a factor returns a multiple of it; pooling and strides have rounded before.
    """
    axis = next((d for d in found.axes if d > CHANNELS), 0)
    for branch, other, _ in found.sides() if is_spatial(found) else ():
        for operator in branch.operators:
            factor = _growth(main_input(operator), operator.outputs, axis)
            if factor > 1:
                difference = abs(other.value.shape[axis] - branch.value.shape[axis])
                return (branch, operator) if 0 < difference < factor else None
    return None


def where_rounded(found: Operands) -> Location | None:
    """Return where the program upsamples to a size that has been rounded."""
    upsampled = rounded(found)
    return location(upsampled[1].places) if upsampled else None


def _growth(before: Value | None, outputs: tuple[Value, ...], axis: int) -> float:
    """Return how many times as large an operator makes a dimension; 1 if it does not."""
    if before is None or not outputs or len(outputs[0].shape) != len(before.shape):
        return 1
    return outputs[0].shape[axis] / max(1, before.shape[axis])


def is_spatial(found: Operands) -> bool:
    """Return whether heights or widths differ, and not the features of a sequence."""
    convolved = any(branch.convolutions or branch.transposed for branch in found.paths)
    images = len(found.left.shape) >= IMAGE or convolved
    return images and any(d > CHANNELS for d in found.axes)
