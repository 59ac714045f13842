"""Rule: images and sequences have their channels where the layers expect them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.failing import failed_call
from broken_convnets.commands.diagnose.analysis.sizes.expressions import (
    comes_from_input,
    network_location,
    origin_location,
    wrap_failing,
    wrap_failing_call,
    wrap_network,
    wrap_origin,
)
from broken_convnets.commands.diagnose.analysis.sizes.layers import (
    CHANNELS_SECOND,
    SPATIAL,
    declared,
    input_argument,
    type_name,
)
from broken_convnets.commands.diagnose.analysis.sizes.lineage import has_channels_second
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import LATER, ranked
from broken_convnets.commands.diagnose.analysis.sizes.wording import layer_name, shape
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from broken_convnets.commands.diagnose.analysis.failing import FailedCall
    from broken_convnets.commands.diagnose.analysis.sizes.mismatch import Group
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Location
    from broken_convnets.observe.recorder.values import Value

SEQUENCE = 3  # dimensions of a batch of sequences


@rule(
    "images and sequences have their channels in the dimension that the layers expect",
    stays_quiet="unless the last dimension has exactly as many channels as the layer expects",
)
def channels_are_last(evidence: Evidence) -> Iterator[Finding]:
    """Compare the last dimension of the input with the number of channels of the layer."""
    failed = failed_call(evidence)
    layer = failed.layer if failed else None
    if failed is None or layer is None or not failed.received:
        return
    value, name = failed.received[0], input_argument(layer)
    number = declared(layer, name) if name else None
    if number is None or not _has_channels_last(evidence, layer, value, number):
        return
    norm = type_name(layer) not in SPATIAL
    yield Finding(
        kind="shape/batchnorm_axis" if norm else "shape/nhwc_input",
        message=(
            f"{layer_name(evidence, layer)} expects {number} channels in dimension "
            f"{'0' if _is_unbatched(layer, value) else '1'}, and receives {shape(value)} "
            "with its channels last"
        ),
        evidence=f"dimension {len(value.shape) - 1} has {number} entries, as {name} says",
        cause=_cause(evidence, failed, value),
        symptom=location(failed.places),
        subject=failed.message,
        module=layer_name(evidence, layer).rpartition(" ")[0],
        cases=("shape/batchnorm1d_wrong_axis" if norm else "shape/channels_last_images",),
        candidates=ranked(*_changes(evidence, failed, layer, value)),
        confidence=9,
    )


def _has_channels_last(evidence: Evidence, layer: nn.Module, value: Value, number: int) -> bool:
    kind, found = type_name(layer), value.shape
    if kind not in CHANNELS_SECOND or len(found) < SEQUENCE or found[-1] != number:
        return False
    first = 0 if _is_unbatched(layer, value) else 1
    if found[first] == number or has_channels_second(evidence.record, value):
        return False
    return len(found) in {SPATIAL[kind] + 1, SPATIAL[kind] + 2} if kind in SPATIAL else True


def _is_unbatched(layer: nn.Module, value: Value) -> bool:
    return len(value.shape) == SPATIAL.get(type_name(layer), 0) + 1


def _changes(
    evidence: Evidence, failed: FailedCall, layer: nn.Module, value: Value
) -> Iterator[Group]:
    """Yield the changes that move the channels: where the images are made, else at the call."""
    batch = 0 if _is_unbatched(layer, value) else 1
    there, back = _moves(len(value.shape), batch)
    if comes_from_input(evidence, value):
        samples = {
            len(value.shape): there,
            len(value.shape) - 1: _moves(len(value.shape) - 1, 0)[0],
        }
        yield 0, "", wrap_origin(evidence, value, samples if batch else {len(value.shape): there})
        yield LATER, "", wrap_network(evidence, failed, there)
    norm = type_name(layer) not in SPATIAL
    both = wrap_failing_call(evidence, failed, value, there, back)
    yield LATER * 2 + norm, "", wrap_failing(evidence, failed, value, there)
    yield LATER * 2 + 1 - norm, "", both


def _moves(rank: int, batch: int) -> tuple[str, str]:
    """Return how to move the channels from the last dimension to the one at `batch`, and back."""
    if (rank, batch) == (SEQUENCE, 1):
        return "{}.transpose(1, 2)", "{}.transpose(1, 2)"
    inner = [*range(batch, rank - 1)]
    there = [*range(batch), rank - 1, *inner]
    back = [*range(batch), *range(batch + 1, rank), batch]
    return (
        f"{{}}.permute({', '.join(map(str, there))})",
        f"{{}}.permute({', '.join(map(str, back))})",
    )


def _cause(evidence: Evidence, failed: FailedCall, value: Value) -> Location | None:
    if comes_from_input(evidence, value):
        return origin_location(evidence, value) or network_location(evidence)
    return location(failed.places)
