"""Rule: a layer receives a tensor with as many dimensions as its kind needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.failing import failed_call
from broken_convnets.commands.diagnose.analysis.sizes.layers import SPATIAL, type_name
from broken_convnets.commands.diagnose.analysis.sizes.ranks import explanations
from broken_convnets.commands.diagnose.analysis.sizes.wording import layer_name, shape
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.values import Value

NORM = re.compile(r"expected (\d)D(?: or (\d)D)? input \(got (\d)D input\)")
NORM_RANKS = {"BatchNorm1d": (2, 3), "BatchNorm2d": (4,), "BatchNorm3d": (5,)}
POOLING = re.compile(r"(?:Max|Avg|AdaptiveAvg|AdaptiveMax|LP)Pool(\d)d$")


@rule(
    "each layer receives a tensor with the number of dimensions that its kind needs",
    stays_quiet="about layers that accept any number of dimensions, such as Linear",
)
def layer_receives_other_rank(evidence: Evidence) -> Iterator[Finding]:
    """Compare the rank of the input with the layer, and say what added or lost a dimension."""
    failed = failed_call(evidence)
    layer = failed.layer if failed else None
    if failed is None or layer is None or not failed.received:
        return
    value = failed.received[0]
    needed = ranks_of(layer)
    if not needed or not _is_wrong(layer, value, needed):
        return
    why = next(explanations(evidence, failed, layer, value, needed), None)
    if why is None:
        return
    expects = " or ".join(f"{n}-D" for n in needed)
    yield Finding(
        kind=why.kind,
        message=(
            f"{layer_name(evidence, layer)} expects a {expects} input, "
            f"and receives {shape(value)}, which is {len(value.shape)}-D"
        ),
        evidence=why.text,
        cause=why.cause or location(failed.places),
        symptom=location(failed.places),
        subject=failed.message,
        module=layer_name(evidence, layer).rpartition(" ")[0],
        cases=why.cases,
        candidates=why.candidates,
        confidence=8,
    )


def ranks_of(layer: nn.Module) -> tuple[int, ...]:
    """Return the numbers of dimensions of a batch that a layer accepts; empty if any."""
    kind = type_name(layer)
    if kind in NORM_RANKS:
        return NORM_RANKS[kind]
    pooling = POOLING.match(kind)
    spatial = int(pooling[1]) if pooling else SPATIAL.get(kind)
    return () if spatial is None else (spatial + 2,)


def _is_wrong(layer: nn.Module, value: Value, needed: tuple[int, ...]) -> bool:
    """Return whether the rank is wrong; a missing batch dimension is accepted where it fits.

    A convolution takes [3, 8, 8] for one image, and so [16, 8, 8] for one image of 16 channels.
    """
    rank = len(value.shape)
    if rank in needed:
        return False
    if type_name(layer) in SPATIAL and rank == needed[0] - 1:
        channels = getattr(layer, "in_channels", None)
        return channels is not None and value.shape[0] != channels and value.shape[-1] != channels
    return True
