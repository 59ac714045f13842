"""Normalize receives numbers of the scale that its mean and standard deviation are for.

https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.ToTensor.html: only images
of PIL and arrays of 8-bit integers are scaled to numbers from 0 to 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.preprocessing import (
    WHITE,
    construction_of,
    numbers_in,
)
from broken_convnets.commands.diagnose.sites import location
from broken_convnets.observe.trees import tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Construction


@rule(
    "pixels are scaled to numbers from 0 to 1 before Normalize subtracts such a mean",
    stays_quiet="unless the mean and the standard deviation lie between 0 and 1, and an image has "
    "numbers from 0 to 255",
)
def normalize_of_unscaled_pixels(evidence: Evidence) -> Iterator[Finding]:
    """Find a Normalize whose input was not divided by 255."""
    for forward in evidence.record.all_passes():
        built = construction_of(evidence, forward)
        if built is None or built.type != "Normalize" or not _is_for_shares(built):
            continue
        high = max((_highest(one) for one in tensors(forward.captured or ())), default=0.0)
        if high > WHITE / 2:
            yield Finding(
                rule="normalize_of_unscaled_pixels",
                kind="data/normalize_range",
                message="Normalize receives pixels from 0 to 255 that nothing has scaled",
                evidence=f"its mean is {built.arguments.get('mean')}, and its input goes up to "
                f"{high:.4g}; ToTensor scales 8-bit images alone, and leaves floats as they are",
                violates=(Law.INPUTS_AS_DECLARED,),
                cause=location(forward.places),
                symptom=location(built.places),
                subject=forward.places[0].text if forward.places else "",
                cases=("data/unscaled_pixels",),
                confidence=7,
            )
            return


def _is_for_shares(built: Construction) -> bool:
    """Return whether a Normalize is for numbers from 0 to 1."""
    mean, std = (numbers_in(built.arguments.get(name)) for name in ("mean", "std"))
    return bool(mean and std) and all(0 < m < 1 for m in mean) and all(0 < s < 1 for s in std)


def _highest(image: torch.Tensor) -> float:
    """Return the largest number of an image of pixels; 0 for other tensors."""
    if image.dim() not in {3, 4} or not image.is_floating_point() or not image.numel():
        return 0.0
    low, high = float(image.min()), float(image.max())
    return high if low >= 0 and high <= WHITE else 0.0
