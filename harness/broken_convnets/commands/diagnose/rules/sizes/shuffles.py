"""Rule: a PixelShuffle receives the square of its factor times as many channels as it returns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.failing import failed_call
from broken_convnets.commands.diagnose.analysis.sizes.changes import Wanted, argument_changes
from broken_convnets.commands.diagnose.analysis.sizes.layers import output_argument
from broken_convnets.commands.diagnose.analysis.sizes.lineage import origin
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import Group, ranked
from broken_convnets.commands.diagnose.analysis.sizes.wording import described, location_of, shape
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.sizes.lineage import Origin
    from broken_convnets.commands.diagnose.evidence import Evidence

SHUFFLE = re.compile(r"input\.size\(-3\)=(\d+) is not divisible by (\d+)")


@rule(
    "the channels of a PixelShuffle are a multiple of its factor squared",
    stays_quiet="about PixelUnshuffle",
)
def shuffle_of_other_channels(evidence: Evidence) -> Iterator[Finding]:
    """Compare the channels with the factor squared, and name the layer that returns them."""
    failed = failed_call(evidence)
    matched = SHUFFLE.search(failed.message) if failed else None
    if failed is None or matched is None or not failed.received:
        return
    channels, square = int(matched[1]), int(matched[2])
    value = failed.received[0]
    made = origin(evidence.record, value, channels)
    yield Finding(
        kind="shape/channels_mismatch",
        message=f"PixelShuffle receives {channels} channels, which {square} does not divide",
        evidence=f"{shape(value)} is {described(evidence, made)}",
        cause=location_of(evidence, made.construction) or location(failed.places),
        symptom=location(failed.places),
        subject=failed.message,
        candidates=ranked(*_changes(evidence, made, channels, square)),
        confidence=8,
    )


def _changes(evidence: Evidence, made: Origin, channels: int, square: int) -> Iterator[Group]:
    """Yield the multiples of the factor squared that the layer before may be meant to return."""
    if made.layer is None:
        return
    name = output_argument(made.layer)
    following = -(-channels // square) * square
    for rank, number in enumerate(dict.fromkeys((channels * square, following, square))):
        wanted = Wanted(number, channels)
        yield rank, "", argument_changes(evidence, made.construction, made.layer, name, wanted)
