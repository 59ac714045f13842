"""Heights and widths along convolutions and pooling: which input size a layer would fit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.lineage import chain

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

POOLS = ("max_pool", "avg_pool", "lp_pool")


def fitting_input(record: Record, value: Value, height: int) -> tuple[int, int] | None:
    """Return the smallest and largest input height that leads to `height` at `value`.

    None if a layer in between fixes the size, or is not a convolution or pooling. The network is
    assumed to treat height and width alike.
    """
    low = high = height
    for operator in chain(record, value):
        before = next((v for v in operator.inputs if not v.parameter), None)
        after = operator.outputs[0] if operator.outputs else None
        if before is None:
            break  # random data, say
        if after is None or len(before.shape) != len(value.shape) or "adaptive" in operator.name:
            return None
        if before.shape[2:] == after.shape[2:] and not _window(operator):
            continue
        window = _window(operator)
        if window is None:
            return None
        kernel, stride, padding, dilation = window
        span = dilation * (kernel - 1) + 1 - 2 * padding
        low, high = (low - 1) * stride + span, (high - 1) * stride + span + stride - 1
    return (low, high) if low > 0 else None


def _window(operator: Operator) -> tuple[int, int, int, int] | None:
    """Return kernel size, stride, padding and dilation; None for another operator."""
    literals = operator.literals
    if operator.name in {"conv1d", "conv2d", "conv3d"} and len(operator.inputs) > 1:
        stride = _first(literals.get(3, literals.get("stride", 1)))
        padding = _first(literals.get(4, literals.get("padding", 0)))
        dilation = _first(literals.get(5, literals.get("dilation", 1)))
        return _known(operator.inputs[1].shape[2], stride, padding, dilation)
    if operator.name.startswith(POOLS):
        kernel = _first(literals.get(1, literals.get("kernel_size")))
        stride = _first(literals.get("stride", literals.get(2))) or kernel
        padding = _first(literals.get("padding", literals.get(3, 0)))
        return _known(kernel, stride, padding, 1)
    return None


def _known(
    kernel: int | None, stride: int | None, padding: int | None, dilation: int | None
) -> tuple[int, int, int, int] | None:
    if kernel is None or stride is None or padding is None or dilation is None:
        return None
    return kernel, stride, padding, dilation


def _first(value: object) -> int | None:
    if isinstance(value, tuple | list):
        value = value[0] if value else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def square_side(pixels: int) -> int | None:
    """Return the side of a square of so many pixels; None if there is none."""
    side = math.isqrt(pixels) if pixels > 0 else 0
    return side if side and side * side == pixels else None
