"""Compare what the layers do for the output with what they do in the reference fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broken_convnets.commands.learn.facts import LayerFacts

TOLERANCE = 1e-4  # of the largest value, as in the laws
LEAST = 0.5  # of the channels that the reference uses: a ReLU can hide a few


def lost_paths(seen: LayerFacts, reference: LayerFacts, names: set[str]) -> list[str]:
    """Return the layers that a path leads around in the reference fix only.

    `names` are the layers of both programs.
    """
    return [name for name in reference.bypassed if name in names and name not in seen.bypassed]


def detached(seen: LayerFacts, reference: LayerFacts, names: set[str]) -> list[str]:
    """Return the layers whose gradients are right in the reference fix only."""
    return [
        name
        for name in reference.gradients_match
        if name in names and name not in seen.gradients_match
    ]


def mixed_channels(seen: LayerFacts, reference: LayerFacts, names: set[str]) -> list[str]:
    """Return the layers whose channels have lost their order, or of which most are unused."""
    swapped = {name for name in reference.ordered if name in names and name not in seen.ordered}
    unused = {
        name.rpartition(".")[0]
        for name, number in reference.channels.items()
        if name in seen.channels and seen.channels[name] < LEAST * number
    }
    return sorted(swapped | unused & names)


def same_values(seen: list[list[float]], reference: list[list[float]]) -> bool:
    """Return whether two results have the same values up to rounding; False without values."""
    if not reference or [len(one) for one in seen] != [len(one) for one in reference]:
        return False
    pairs = [pair for both in zip(seen, reference, strict=True) for pair in zip(*both, strict=True)]
    scale = max([1.0, *(abs(value) for _, value in pairs)])
    return all(abs(one - other) <= TOLERANCE * scale for one, other in pairs)
