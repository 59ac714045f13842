"""Normalize receives numbers of the scale that its mean and standard deviation are for.

https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.ToTensor.html: only images
of PIL and arrays of 8-bit integers are scaled to numbers from 0 to 1.
"""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.preprocessing import (
    WHITE,
    construction_of,
    numbers_in,
)
from broken_convnets.commands.diagnose.rules.data.unscaled_arrays import (
    float_pixels_are_not_scaled,
)
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.commands.diagnose.source import argument
from broken_convnets.observe.trees import tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.recorded_events import Construction

OF_PIXELS = 10  # a mean above it is one of pixels from 0 to 255
IMAGENET = (
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
)  # mean and deviation, as torchvision has them


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
        if high > WHITE / 2 and not any(float_pixels_are_not_scaled(evidence)):
            yield Finding(
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


@rule(
    "the mean of Normalize is in the range of the images that it receives",
    stays_quiet="unless every mean is above 10, and all images are from 0 to 1",
)
def normalize_with_means_of_pixels(evidence: Evidence) -> Iterator[Finding]:
    """Find the mean of pixels from 0 to 255 for images from 0 to 1."""
    highest: dict[int, tuple[Construction, float]] = {}
    for forward in evidence.record.all_passes():
        built = construction_of(evidence, forward)
        mean = numbers_in(built.arguments.get("mean")) if built else []
        if built is None or built.type != "Normalize" or not mean or min(mean) <= OF_PIXELS:
            continue
        high = max((_highest(one) for one in tensors(forward.captured or ())), default=0.0)
        highest[id(built)] = built, max(high, highest.get(id(built), (built, 0.0))[1])
    for built, high in highest.values():
        if 0 < high <= 1:
            yield Finding(
                kind="data/normalize_range",
                message="the mean of Normalize is one of pixels from 0 to 255, and the images are "
                "from 0 to 1",
                evidence=f"its mean is {built.arguments.get('mean')}, and its input goes up to "
                f"{high:.4g}, so that all images become nearly the same",
                violates=(Law.INPUTS_AS_DECLARED,),
                cause=location(built.places),
                subject=built.places[0].text if built.places else "Normalize",
                cases=("data/unscaled_pixels",),
                candidates=_for_shares(evidence, built),
                confidence=7,
            )


def _for_shares(evidence: Evidence, built: Construction) -> tuple[Candidate, ...]:
    """Return the change that divides each number of the mean and the deviation by 255."""
    site = site_of(evidence, built.places)
    lists = (
        [argument(site.call, name, at) for at, name in enumerate(("mean", "std"))] if site else []
    )
    numbers = [one for each in lists if isinstance(each, ast.Tuple | ast.List) for one in each.elts]
    if site is None or not numbers:
        return ()
    changes = [(one, f"{site.source.text_of(one)} / {WHITE}") for one in numbers]
    return candidates((0, partial(edits.replace, site.source, changes)))


@rule(
    "Normalize receives the mean first and the standard deviation second",
    stays_quiet="unless the numbers are those of ImageNet",
)
def mean_and_deviation_exchanged(evidence: Evidence) -> Iterator[Finding]:
    """Find the deviation of ImageNet as the mean, and the mean as the deviation."""
    for built in evidence.record.constructions:
        if built.type != "Normalize":
            continue
        given = [numbers_in(built.arguments.get(name)) for name in ("mean", "std")]
        if given != [*reversed(IMAGENET)]:
            continue
        site = site_of(evidence, built.places)
        both = [argument(site.call, n, at) for at, n in enumerate(("mean", "std"))] if site else []
        changes = [
            (one, site.source.text_of(other))
            for one, other in zip(both, reversed(both), strict=True)
            if site and one is not None and other is not None
        ]
        yield Finding(
            kind="data/normalize_range",
            message="the mean and the standard deviation of Normalize are exchanged",
            evidence=f"mean={IMAGENET[0]} and std={IMAGENET[1]} are those of ImageNet",
            violates=(Law.INPUTS_AS_DECLARED,),
            cause=location(built.places),
            subject=built.places[0].text if built.places else "Normalize",
            cases=("data/missing_pretrained_preprocessing",),
            candidates=candidates((0, partial(edits.replace, site.source, changes)))
            if site
            else (),
            confidence=8,
        )
