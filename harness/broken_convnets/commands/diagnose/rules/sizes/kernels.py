"""Rule: kernels and pooling windows fit into the height and width that arrives."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.failing import failed_call
from broken_convnets.commands.diagnose.analysis.sizes.kernels import Window
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import ranked
from broken_convnets.commands.diagnose.analysis.sizes.wording import location_of, shape, sizes
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

KERNEL = re.compile(r"Kernel size: \(([\d x]+)\)\. Kernel size can't be greater")
POOL = re.compile(r"Calculated output size: \([\dx]*x0\w*\)|Output size is too small")
EXTRA = "output padding must be smaller"


@rule(
    "kernels and pooling windows are not larger than the images that arrive",
    stays_quiet="about resizing to a size of 0",
)
def kernel_does_not_fit(evidence: Evidence) -> Iterator[Finding]:
    """Compare the kernel with the height and width, and name the layers that made them small."""
    failed = failed_call(evidence)
    if failed is None or not failed.received:
        return
    kernel, pool = KERNEL.search(failed.message), POOL.search(failed.message)
    if not kernel and not pool:
        return
    window = Window(evidence, failed, failed.received[0])
    order = window.swapped_arguments
    value = failed.received[0]
    kind = "shape/kernel_larger_than_input" if kernel else "shape/pool_output_zero"
    case = "shape/kernel_larger_than_input" if kernel else "shape/pool_output_size_zero"
    yield Finding(
        kind="shape/conv_args_order" if order else kind,
        message=f"{window.described} does not fit into {sizes(value.shape[2:])}, "
        f"the height and width of {shape(value)}",
        evidence=order or window.shrinking,
        cause=location_of(evidence, failed.construction) or location(failed.places),
        symptom=location(failed.places),
        subject=failed.message,
        cases=("shape/conv2d_argument_order" if order else case,),
        candidates=ranked(*window.changes()),
        confidence=8,
    )


@rule(
    "output_padding is smaller than the stride or the dilation",
    stays_quiet="about functional calls",
)
def output_padding_too_large(evidence: Evidence) -> Iterator[Finding]:
    """Find a transposed convolution whose output_padding is not below its stride."""
    failed = failed_call(evidence)
    if failed is None or EXTRA not in failed.message or failed.layer is None:
        return
    window = Window(evidence, failed, failed.received[0]) if failed.received else None
    stride = getattr(failed.layer, "stride", ("?",))[0]
    extra = getattr(failed.layer, "output_padding", ("?",))[0]
    yield Finding(
        kind="shape/output_padding",
        message=f"output_padding={extra} needs a stride above {extra}, and the stride is {stride}",
        evidence="output_padding chooses between the sizes that a stride leaves open",
        cause=location_of(evidence, failed.construction) or location(failed.places),
        symptom=location(failed.places),
        subject=failed.message,
        cases=("shape/output_padding_without_stride",),
        candidates=ranked(*window.output_padding_changes()) if window else (),
        confidence=9,
    )
