"""An image and its mask are flipped, cropped and rotated alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.flip_lines import flip_line
from broken_convnets.commands.diagnose.rules.data.orientations import (
    orientations_of_image,
    orientations_of_mask,
)
from broken_convnets.commands.diagnose.rules.data.samples import Samples
from broken_convnets.commands.diagnose.rules.data.spatial_calls import SpatialCall, spatial_calls
from broken_convnets.commands.diagnose.sites import require_success
from broken_convnets.observe.recorder.passed_masks import is_mask
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.loaders import Loader

INDICES = 3  # samples that are read
SEEDS = 8  # reads of each


@dataclass(frozen=True)
class _Difference:
    """What is wrong, and the line that transforms one of both, if it is known."""

    evidence: str
    place: Location | None


@rule(
    "an image and its mask are flipped, cropped and rotated alike",
    stays_quiet="about samples that are not an image and a mask of its size, masks that are equal "
    "for all samples, and datasets that cannot be copied",
)
def mask_transformed_apart(evidence: Evidence) -> Iterator[Finding]:
    """Find a random transform that draws other numbers for the mask, or leaves it out."""
    require_success(evidence)
    if evidence.record.passed_mask:
        return  # another rule names the call
    for loader in {one.dataset.base: one for one in evidence.record.loaders}.values():
        samples = Samples.of(evidence, loader)
        found = _difference(evidence, loader, samples) if samples else None
        if found is None:
            continue
        yield Finding(
            kind="data/image_and_mask_transformed_apart",
            message=f"{loader.type} transforms an image and its mask differently",
            evidence=found.evidence,
            violates=(Law.MASKS_MATCH_IMAGES,),
            cause=found.place,
            subject=loader.type,
            cases=("data/image_and_mask_transformed_apart",),
            confidence=8,
        )
        return


def _difference(evidence: Evidence, loader: Loader, samples: Samples) -> _Difference | None:
    count = min(INDICES, loader.dataset.length or 0)
    references = [samples.read(index, 0) for index in range(count)]
    pairs = [_image_and_mask(sample) for sample in references]
    masks = [pair[1] for pair in pairs if pair is not None]
    if len(masks) < 2 or all(_same(masks[0], mask) for mask in masks[1:]):  # noqa: PLR2004  (to compare)
        return None
    return _by_calls(samples, masks[0]) or _by_orientation(evidence, loader, samples, count)


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and bool((one == other).all())


def _image_and_mask(sample: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return the only image of a sample and its only mask, both as (height, width)."""
    masks = [tensor for tensor in sample if is_mask(tensor)]
    images = [t for t in sample if t.ndim == 3 and not is_mask(t)]  # noqa: PLR2004  (channels, too)
    if len(masks) != 1 or len(images) != 1:
        return None
    mask, image = masks[0].squeeze(), images[0].double()
    for channels in (0, -1):
        flat = image.mean(dim=channels)
        if image.shape[channels] <= 4 and flat.shape == mask.shape:  # noqa: PLR2004  (red, green, blue, alpha)
            return flat, mask
    return None


def _by_calls(samples: Samples, mask: torch.Tensor) -> _Difference | None:
    """Compare the random state in which one transform of torchvision sees image and mask."""
    constant = all(
        pair is not None and _same(pair[1], mask)
        for pair in (_image_and_mask(samples.read(0, seed)) for seed in range(SEEDS))
    )
    calls = spatial_calls(lambda: samples.read(0, 1))
    for name in dict.fromkeys(call.type for call in calls):
        images, masks = (
            [call for call in calls if call.type == name and call.of_mask is kind]
            for kind in (False, True)
        )
        if len(images) == 1 and len(masks) == 1 and images[0].state != masks[0].state:
            text = f"{name} is called for the image and again for the mask, and draws new random"
            return _Difference(f"{text} numbers each time", _place(masks[0]))
        if len(images) == 1 and not masks and constant and not images[0].of_both:
            text = f"{name} moves the image at random, and the mask of sample 0 stays as it is in"
            return _Difference(f"{text} {SEEDS} reads", _place(images[0]))
    return None


def _place(call: SpatialCall) -> Location | None:
    return Location(call.place.file, call.place.line) if call.place else None


def _by_orientation(
    evidence: Evidence, loader: Loader, samples: Samples, count: int
) -> _Difference | None:
    """Compare how image and mask are turned and flipped from one read to the next."""
    apart = compared = 0
    for index in range(count):
        first = _image_and_mask(samples.read(index, 0))
        for seed in range(1, SEEDS):
            second = _image_and_mask(samples.read(index, seed))
            if first is None or second is None:
                return None
            of_mask = orientations_of_mask(first[1], second[1])
            of_image = orientations_of_image(first[0], second[0])
            compared += bool(of_mask and of_image)
            apart += bool(of_mask and of_image and not of_mask & of_image)
    if not apart:
        return None
    text = f"in {apart} of {compared} pairs of reads of one sample, the image is flipped or rotated"
    return _Difference(f"{text} in another way than its mask", flip_line(evidence, loader))
