"""The law of image and mask pairs, whatever order the file system lists them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.observe.laws.registry import LawBrokenError, law
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from broken_convnets.observe.subject import Subject

SHARE = 0.05  # of the pixels of a mask that may be off, on the border of an area
REPEATS = 3  # of each pair, since a random transform can agree by chance


@law(Law.MASKS_MATCH_IMAGES)
def _masks_match_images(subject: Subject) -> None:
    """Read each pair REPEATS times, with folders that are listed in an order of their own."""
    subject.require("example_pairs")
    for number, read in enumerate(subject.read("pairs", REPEATS)):
        for image, mask in ((one.double() for one in pair) for pair in read):
            bright = image.mean(dim=0) > (image.amax() + image.amin()) / 2
            if (bright != (mask.squeeze() > 0)).double().mean() > SHARE:
                message = f"the mask of sample {number} does not mark what is bright in its image"
                raise LawBrokenError(message)
            if not mask.frac().eq(0).all():
                message = f"the mask of sample {number} has values that are not class indices"
                raise LawBrokenError(message)
