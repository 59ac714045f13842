"""The law of image and mask pairs, whatever order the file system lists them in."""

from __future__ import annotations

import contextlib
import os
import zlib
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.laws.registry import LawBrokenError, law
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.observe.subject import Subject

SHARE = 0.05  # of the pixels of a mask that may be off, on the border of an area
REPEATS = 3  # of each pair, since a random transform can agree by chance


@law(Law.MASKS_MATCH_IMAGES)
def _masks_match_images(subject: Subject) -> None:
    """Read each pair REPEATS times, with folders that are listed in an order of their own."""
    subject.require("example_pairs")
    with _shuffled_listings():
        pairs = subject.call("example_pairs")
        for number in [number for number in range(len(pairs)) for _ in range(REPEATS)]:
            image, mask = (torch.as_tensor(value).double() for value in pairs[number])
            bright = image.mean(dim=0) > (image.amax() + image.amin()) / 2
            if (bright != (mask.squeeze() > 0)).double().mean() > SHARE:
                message = f"the mask of sample {number} does not mark what is bright in its image"
                raise LawBrokenError(message)
            if not mask.frac().eq(0).all():
                message = f"the mask of sample {number} has values that are no class numbers"
                raise LawBrokenError(message)


@contextlib.contextmanager
def _shuffled_listings() -> Iterator[None]:
    """List folders in an order that depends on their names: no program may rely on any."""
    listdir, scandir = os.listdir, os.scandir

    def shuffled(folder: Any, names: list[Any], name_of: Any) -> list[Any]:
        if isinstance(folder, int):  # a descriptor, as `shutil.rmtree` uses
            return names
        base = os.path.basename(os.path.abspath(os.fspath(folder)))  # noqa: PTH100,PTH119  (bytes too)
        return sorted(names, key=lambda name: zlib.crc32(f"{base}/{name_of(name)}".encode()))

    def listed(folder: Any = ".") -> list[Any]:
        return shuffled(folder, listdir(folder), str)

    @contextlib.contextmanager
    def scanned(folder: Any = ".") -> Iterator[Any]:
        with scandir(folder) as entries:
            yield iter(shuffled(folder, list(entries), lambda entry: entry.name))

    os.listdir, os.scandir = listed, scanned  # type: ignore[assignment]
    try:
        yield
    finally:
        os.listdir, os.scandir = listdir, scandir
