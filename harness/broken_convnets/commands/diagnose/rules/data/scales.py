"""Training and inference receive images of one scale."""

from __future__ import annotations

from itertools import starmap
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.normalized_bytes import (
    bytes_normalized_as_shares,
)
from broken_convnets.commands.diagnose.rules.data.unscaled_arrays import (
    float_pixels_are_not_scaled,
)
from broken_convnets.commands.diagnose.sites import location
from broken_convnets.observe.recorder.scales import Scale
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator
    from weakref import ref

    from torch import nn

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ForwardPass

LOOKS = 4  # passes of each mode
# What images are in training, and what the same images are not at inference.
DIFFERENT = {
    (Scale.SMALL, Scale.BYTES),
    (Scale.SHIFTED, Scale.BYTES),
    (Scale.SHIFTED, Scale.LARGE),
    (Scale.LARGE, Scale.SHIFTED),
    (Scale.SHARES, Scale.BYTES),
    (Scale.BYTES, Scale.SHARES),
    (Scale.SHARES, Scale.LARGE),
    (Scale.LARGE, Scale.SHARES),
    (Scale.SMALL, Scale.LARGE),
    (Scale.LARGE, Scale.SMALL),
}
NEARER = (float_pixels_are_not_scaled, bytes_normalized_as_shares)  # which have the cause


@rule(
    "a network receives images of one scale in training and at inference",
    stays_quiet="unless all images of one of both are pixels from 0 to 255 as they are, and all of "
    "the other pixels divided by 255 or numbers from -10 to 10, or the images of one all have "
    "numbers above 100 and those of the other none above 10",
)
def scale_differs_at_inference(evidence: Evidence) -> Iterator[Finding]:
    """Find pixels that are divided by 255 for the training, and not for the validation."""
    networks = {id(p.network): p.network for p in evidence.record.passes if p.scale}
    for network in networks.values():
        passes = _passes(evidence, network)
        training = [p for p in passes if p.training and evidence.flow.is_in_loss(p)]
        copies = [n for n in networks.values() if training and _is_copy(n(), network())]
        groups = [_inference(evidence, one) for one in (network, *copies)]
        former = _scale_of(training[:LOOKS])
        other = [one for one in groups if (former, _scale_of(one[:LOOKS])) in DIFFERENT]
        later = other[0][0] if other else None
        if later is None or former is None or later.scale is None:
            continue
        if any(any(check(evidence)) for check in NEARER):
            return
        yield Finding(
            kind="data/normalize_range",
            message="the network infers from images of another scale than it is trained on",
            evidence=f"in training its images of shape {list(training[0].received[0].shape[1:])} "
            f"are {former.value}, at inference they are {later.scale.value}",
            violates=(Law.INPUTS_AS_DECLARED,),
            cause=location(later.places),
            symptom=location(training[0].places),
            subject=later.places[0].text if later.places else "",
            cases=("data/unscaled_pixels",),
            confidence=7,
        )
        return


def _passes(evidence: Evidence, network: ref[nn.Module]) -> list[ForwardPass]:
    """Return the forward passes of a network, which may be dead by now."""
    return [p for p in evidence.record.passes if p.network is network]


def _inference(evidence: Evidence, network: ref[nn.Module]) -> list[ForwardPass]:
    passes = [p for p in _passes(evidence, network) if not p.training]
    return [p for p in passes if not evidence.flow.is_in_loss(p)]


def _is_copy(other: nn.Module | None, network: nn.Module | None) -> bool:
    """Return whether a network that infers is another object with the weights of a trained one."""
    if other is None or network is None or other is network or type(other) is not type(network):
        return False
    pairs = list(zip(other.parameters(), network.parameters(), strict=False))
    return not other.training and bool(pairs) and all(starmap(_are_equal, pairs))


def _are_equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    same = one.shape == other.shape and one.device == other.device and one.dtype == other.dtype
    return same and bool(torch.equal(one, other))


def _scale_of(passes: list[ForwardPass]) -> Scale | None:
    """Return the scale that all passes have; None if they differ or it is not known."""
    scales = {one.scale for one in passes}
    if scales == {Scale.SHIFTED, Scale.SMALL}:
        return Scale.SMALL
    return scales.pop() if len(scales) == 1 else None
