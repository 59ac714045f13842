"""Rule: a layer receives as many channels or features as it was constructed for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.failing import failed_call
from broken_convnets.commands.diagnose.analysis.sizes.features import joined_along_batch
from broken_convnets.commands.diagnose.analysis.sizes.helpers import chosen_call
from broken_convnets.commands.diagnose.analysis.sizes.images import image_changes, is_from_outside
from broken_convnets.commands.diagnose.analysis.sizes.layers import (
    CHANNELS_SECOND,
    CONVOLUTIONS,
    SPATIAL,
    declared,
    input_argument,
    type_name,
)
from broken_convnets.commands.diagnose.analysis.sizes.lineage import has_channels_second
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import (
    LATER,
    Mismatch,
    consumer_changes,
    is_swapped,
    mismatch_candidates,
    ranked,
)
from broken_convnets.commands.diagnose.analysis.sizes.wording import (
    constructed,
    described,
    layer_name,
    location_of,
    shape,
)
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location, location_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate, Location
    from broken_convnets.observe.recorder.values import Value

NORMS = {"GroupNorm", "LayerNorm", "RMSNorm"}


@rule(
    "each convolution and norm receives as many channels as it was constructed for",
    stays_quiet="about inputs of another rank or with channels last, which have rules of their own",
)
def layer_receives_other_channels(evidence: Evidence) -> Iterator[Finding]:
    """Compare the input of the layer that raised with what its constructor declares."""
    failed = failed_call(evidence)
    found = mismatch_of(evidence, failed) if failed else None
    if failed is None or found is None:
        return
    joined = joined_along_batch(found)
    made = found.made_by
    outside = is_from_outside(evidence, made)
    unit = "channels" if type_name(found.layer) in CHANNELS_SECOND else "features"
    yield Finding(
        kind=joined.kind if joined else _kind(found),
        message=(
            f"{layer_name(evidence, found.layer)} is constructed for {found.declared} "
            f"{unit}, and receives {found.arriving}"
        ),
        evidence=joined.text if joined else _evidence(found),
        cause=(joined.cause if joined else _cause(found)) or location(failed.places),
        symptom=location(failed.places),
        subject=failed.message,
        module=layer_name(evidence, found.layer).rpartition(" ")[0],
        cases=joined.cases if joined else _cases(found),
        candidates=joined.candidates if joined else _candidates(found, outside=outside),
        confidence=8,
    )


def mismatch_of(evidence: Evidence, failed: FailedCall) -> Mismatch | None:
    """Return the mismatch of a convolution or norm; None if its input is wrong otherwise."""
    layer = failed.layer
    if layer is None or not failed.received:
        return None
    kind, value = type_name(layer), failed.received[0]
    name = input_argument(layer)
    if not name or (kind not in CHANNELS_SECOND and kind not in NORMS):
        return None
    number, arriving = declared(layer, name), _channels(kind, value)
    if number is None or arriving is None or number == arriving:
        return None
    if _is_layout(evidence, kind, value, number):
        return None
    return Mismatch(evidence, failed, layer, name, number, arriving, value)


def _channels(kind: str, value: Value) -> int | None:
    """Return the channels of a batch; None for an input of another rank."""
    rank = len(value.shape)
    if kind in {"LayerNorm", "RMSNorm"}:
        return value.shape[-1] if rank else None
    if kind in SPATIAL and rank != SPATIAL[kind] + 2:
        return None
    ranks = {"BatchNorm1d": {2, 3}, "BatchNorm2d": {4}, "BatchNorm3d": {5}}
    if rank < 2 or rank not in ranks.get(kind, {rank}):  # noqa: PLR2004  (batch and channels)
        return None
    return value.shape[1]


def _is_layout(evidence: Evidence, kind: str, value: Value, number: int) -> bool:
    """Return whether the last dimension has the channels, as images of NumPy have them."""
    if kind in {"LayerNorm", "RMSNorm"} or value.shape[-1] != number:
        return False
    return not has_channels_second(evidence.record, value)


def _cause(found: Mismatch) -> Location | None:
    images = image_changes(found) if is_from_outside(found.evidence, found.made_by) else None
    if images is not None and images.cause is not None:
        return images.cause
    chosen = chosen_call(found.evidence, found.construction, found.layer, found.argument)
    if chosen is not None and chosen.helpers:
        swap = is_swapped(found)
        return location_in(chosen.site.source, chosen.site.call) if swap else chosen.location
    return location_of(found.evidence, found.construction)


def _kind(found: Mismatch) -> str:
    kind = type_name(found.layer)
    if kind in CONVOLUTIONS and is_swapped(found):
        return "shape/conv_args_order"
    if kind in CONVOLUTIONS:
        outside = is_from_outside(found.evidence, found.made_by)
        rgba = outside and (found.declared, found.arriving) == (3, 4)
        return "data/rgba_png" if rgba else "shape/channels_mismatch"
    return "shape/batchnorm_channels"


def _cases(found: Mismatch) -> tuple[str, ...]:
    known = {
        "shape/batchnorm_channels": "shape/batchnorm_channel_mismatch",
        "data/rgba_png": "data/rgba_images",
        "shape/conv_args_order": "shape/conv2d_argument_order",
    }
    gray = (found.declared, found.arriving) == (3, 1)
    default = ("shape/grayscale_into_rgb_network",) if gray else ()
    case = known.get(_kind(found))
    return (case,) if case else default


def _evidence(found: Mismatch) -> str:
    text = f"{shape(found.value)} is {described(found.evidence, found.made_by)}"
    own = constructed(found.evidence, found.construction)
    if own:
        name = layer_name(found.evidence, found.layer)
        text += f"; {found.argument} of {name} is {found.declared}: {own}"
    return text


def _candidates(found: Mismatch, *, outside: bool) -> tuple[Candidate, ...]:
    return _image_candidates(found) if outside else mismatch_candidates(found)


def _image_candidates(found: Mismatch) -> tuple[Candidate, ...]:
    """Return the changes for images from outside: of the first layer, or of the images."""
    own = consumer_changes(found)
    images = image_changes(found)
    note = f"the network for images of {found.arriving} channels"
    other = f"images of {found.declared} channels for the network"
    if images.first:
        return ranked((0, other, images.changes), (LATER, note, own))
    return ranked((0, note, own), (0, other, images.changes))
