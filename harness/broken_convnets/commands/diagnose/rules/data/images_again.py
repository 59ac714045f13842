"""Images that a network receives in training and again at inference, found by their signatures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from broken_convnets.observe.recorder.image_signatures import FLAT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.image_signatures import ImageSignatures
    from broken_convnets.observe.recorder.passes import ForwardPass

NEAR = 4e-3  # of two signatures of one image
COLORS = 3
MOST = 2_000  # images that are compared


@dataclass(frozen=True)
class Pool:
    """The images of some passes."""

    means: torch.Tensor
    deviations: torch.Tensor
    shapes: torch.Tensor

    @classmethod
    def of(cls, passes: list[ForwardPass]) -> Pool | None:
        """Join the images of passes; None if there are none of one number of channels."""
        found: list[ImageSignatures] = [one.images for one in passes if one.images]
        if not found or len({one.means.shape[1] for one in found}) != 1:
            return None
        means, deviations, shapes = (
            torch.cat([getattr(one, name) for one in found])
            for name in ("means", "deviations", "shapes")
        )
        shown = (deviations > FLAT).all(1).nonzero().flatten()[:MOST]
        return cls(means[shown], deviations[shown], shapes[shown]) if len(shown) else None

    @cached_property
    def reversed(self) -> Pool:
        """The same images with their channels in the opposite order."""
        return Pool(self.means.flip(1), self.deviations.flip(1), self.shapes.flip(1))

    @cached_property
    def transposed(self) -> Pool:
        """The same images with rows and columns exchanged."""
        return Pool(self.means, self.deviations, self.shapes[..., [1, 0, 2, 3]])

    def same(self, other: Pool) -> torch.Tensor:
        """Return which images are those of another pool, of shape (own, other)."""
        if self.shapes.shape[1] != other.shapes.shape[1]:
            return torch.zeros(len(self.shapes), len(other.shapes), dtype=torch.bool)
        return torch.cdist(self.shapes.flatten(1), other.shapes.flatten(1), p=torch.inf) < NEAR

    def has_equal(self, other: Pool) -> bool:
        """Return whether an image of both has the same shape, means and deviations."""
        if self.means.shape[1] != other.means.shape[1]:
            return False
        close = [
            torch.cdist(getattr(self, name), getattr(other, name), p=torch.inf) < NEAR
            for name in ("means", "deviations")
        ]
        return bool((self.same(other) & close[0] & close[1]).any())


@dataclass(frozen=True)
class Again:
    """Passes for inference, and passes before them that have some of the same images.

    `others` are passes of the same network in eval mode at other lines.
    """

    later: list[ForwardPass]
    former: list[ForwardPass]
    here: Pool
    there: Pool
    others: Pool | None

    @property
    def has_plain(self) -> bool:
        """Whether another line predicts images as they were: what differs here is a comparison."""
        return self.others is not None and self.others.has_equal(self.there)


def images_again(evidence: Evidence) -> Iterator[Again]:
    """Yield the passes of one place that only predict, with those that train the same network."""
    groups: dict[object, list[ForwardPass]] = {}
    for one in evidence.record.passes:
        if one.images and one.places and not one.training and not evidence.flow.is_in_loss(one):
            groups.setdefault((one.places, id(one.network())), []).append(one)
    for later in groups.values():
        own = [p for p in evidence.record.passes if p.images and p.network() is later[0].network()]
        trained = [p for p in own if p.training and evidence.flow.is_in_loss(p)]
        before = [p for p in own if p not in later and p.number < later[0].number]
        elsewhere = [p for p in own if p not in later and not p.training]
        for former in (trained, before):
            here, there = Pool.of(later), Pool.of(former)
            if here and there and trained:
                yield Again(later, former, here, there, Pool.of(elsewhere))
