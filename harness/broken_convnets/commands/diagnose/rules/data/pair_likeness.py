"""How alike the two pictures of each pair of a dataset are, by their pixels alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.commands.diagnose.rules.data.samples import Samples

PAIRS = 200  # that are read
FEWEST = 24  # of each label
PIXELS = 32  # of one picture, at least
SIDE = 32  # to which larger pictures are reduced
COLORS = 4  # channels of a picture, at most
LABELS = {0.0, 1.0}
Pictures: TypeAlias = "tuple[torch.Tensor, torch.Tensor]"


@dataclass(frozen=True)
class Pairs:
    """The pairs of one label: the pixels of the first pictures, and of the second ones."""

    first: torch.Tensor
    second: torch.Tensor

    @property
    def distances(self) -> torch.Tensor:
        """The root mean square of the differences of the pixels, for each pair."""
        return (self.first - self.second).square().mean(dim=1).sqrt()

    def kinship(self) -> float:
        """Return how often a picture is nearer to its own partner than to that of another pair.

        Half of the cases if the two pictures of a pair have nothing to do with each other.
        """
        between = torch.cdist(self.first, self.second)
        return _share_less(between.diagonal()[:, None], between)

    def division(self) -> float:
        """Return how often a first picture is nearer to another first one than to a second one.

        Half of the cases if it does not matter which picture of a pair is the first one.
        """
        return _share_less(
            torch.cdist(self.first, self.first), torch.cdist(self.first, self.second)
        )


def read_pairs(samples: Samples, length: int) -> tuple[Pairs, Pairs] | None:
    """Return the pairs with label 0 and those with label 1; None if there are other samples."""
    found: dict[float, list[Pictures]] = {0.0: [], 1.0: []}
    count = min(PAIRS, length)
    for index in range(count):
        pair = _pair(samples.read_leaves(index * length // count, index))
        if pair is None:
            return None
        found[pair[0]].append(pair[1])
    shapes = {one.shape for pairs in found.values() for pair in pairs for one in pair}
    if len(shapes) != 1 or min(map(len, found.values())) < FEWEST:
        return None
    without, having = (_stacked(found[label]) for label in (0.0, 1.0))
    return without, having


def share_nearer(one: Pairs, other: Pairs) -> tuple[float, float]:
    """Return how often a pair of one kind is nearer than one of the other, and how certain it is.

    The second number is the p-value of a Mann-Whitney test that they are nearer.
    """
    a, b = one.distances[:, None], other.distances
    share = float(((a < b).double() + 0.5 * (a == b).double()).mean())
    deviation = math.sqrt((len(a) + len(b) + 1) / (12 * len(a) * len(b)))
    return share, 0.5 * math.erfc((share - 0.5) / deviation / math.sqrt(2))


def _share_less(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return in which share of the places off the diagonal a number is less than the other."""
    less = (one < other).double() + 0.5 * (one == other).double()
    count = len(less)
    return float((less.sum() - less.trace()) / (count * (count - 1)))


def _pair(tensors: tuple[torch.Tensor, ...]) -> tuple[float, Pictures] | None:
    """Return the only label and the two pictures of a sample; None if it has anything else."""
    numbers = [one for one in tensors if one.numel() == 1]
    pictures = [one for one in tensors if one.numel() >= PIXELS]
    if len(pictures) == 1 and len(pictures[0]) == 2 and pictures[0].ndim > 2:  # noqa: PLR2004  (two pictures)
        pictures = list(pictures[0])
    if len(numbers) != 1 or len(pictures) != 2 or len(tensors) > 3:  # noqa: PLR2004  (two pictures and a label)
        return None
    label, reduced = float(numbers[0]), [_reduced(one) for one in pictures]
    if label not in LABELS or reduced[0] is None or reduced[1] is None:
        return None
    return label, (reduced[0], reduced[1])


def _reduced(picture: torch.Tensor) -> torch.Tensor | None:
    """Return the pixels of a small copy of a picture as one vector."""
    if picture.ndim == 2:  # noqa: PLR2004  (height, width)
        picture = picture[None]
    if picture.ndim != 3 or picture.is_complex():  # noqa: PLR2004  (channels, height, width)
        return None
    if picture.shape[0] > COLORS >= picture.shape[2]:
        picture = picture.permute(2, 0, 1)
    if picture.shape[0] > COLORS:
        return None
    height, width = picture.shape[1:]
    size = min(height, SIDE), min(width, SIDE)
    return functional.adaptive_avg_pool2d(picture.double(), size).flatten()


def _stacked(pairs: Iterable[Pictures]) -> Pairs:
    first, second = zip(*pairs, strict=True)
    return Pairs(torch.stack(first), torch.stack(second))
