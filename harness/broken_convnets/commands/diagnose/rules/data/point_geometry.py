"""Key points and boxes move when their image is flipped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.flip_lines import flip_line
from broken_convnets.commands.diagnose.rules.data.orientations import orientations_of_image
from broken_convnets.commands.diagnose.rules.data.samples import Samples, below_subsets
from broken_convnets.commands.diagnose.sites import require_success
from broken_convnets.observe.recorder.places import is_user_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.loaders import Loader

INDICES = 4  # samples that are read
SEEDS = 8  # reads of each
BOX = 4  # numbers of a box
COLORS = 4  # channels of an image, at most
SIDE = 8  # pixels, at least
SIDEWAYS = (True, 0)  # mirrored: x changes
FLIPPED = {SIDEWAYS: "left to right", (True, 2): "upside down"}
WORDS = re.compile(r"box|point|landmark|joint|kpt|\bkp|cent(er|re)|corner|coord|\bpos(ition)?s?\b")
MARGIN = 0.02  # of the image, by which a point moves at least
FEWEST = 2  # reads in which a flip moves no point


@dataclass(frozen=True)
class _Sample:
    """The gray image of a sample, and its points, of shape (points, x and y).

    `certain` is whether the shape alone shows that they are points or boxes.
    """

    image: torch.Tensor
    points: torch.Tensor
    certain: bool


@rule(
    "key points and boxes move when their image is flipped",
    stays_quiet="about samples without exactly one image, numbers that are not points in it, "
    "points near the middle, and datasets that cannot be copied",
)
def points_not_flipped(evidence: Evidence) -> Iterator[Finding]:
    """Find points that stay the same in all reads in which their image is flipped."""
    require_success(evidence)
    for loader in {one.dataset.base: one for one in evidence.record.loaders}.values():
        samples = Samples.of(evidence, loader)
        found = _unmoved(evidence, loader, samples) if samples else ""
        if not found:
            continue
        yield Finding(
            kind="data/image_and_mask_transformed_apart",
            message=f"{loader.type} flips an image, and leaves its points or boxes where they are",
            evidence=found,
            cause=flip_line(evidence, loader),
            subject=loader.type,
            cases=("data/image_and_mask_transformed_apart",),
            confidence=7,
        )
        return


def _unmoved(evidence: Evidence, loader: Loader, samples: Samples) -> str:
    """Return in how many reads a flip moves no point; empty if it moves any."""
    count = min(INDICES, loader.dataset.length or 0)
    first = [_sample(samples.read_leaves(i, 0)) for i in range(count)]
    known = [one for one in first if one is not None]
    if len(known) < FEWEST or len(known) < count or _all_equal(known):
        return ""
    if not known[0].certain and not speaks_of_points(evidence, loader):
        return ""
    still: dict[str, int] = {}
    for index, before in enumerate(known):
        for seed in range(1, SEEDS):
            after = _sample(samples.read_leaves(index, seed))
            turned = _flip(before, after) if after else None
            if after is None or turned is None:
                continue
            if not torch.equal(before.points, after.points):
                return ""
            still[FLIPPED[turned]] = still.get(FLIPPED[turned], 0) + 1
    how = max(still, key=lambda name: still[name], default="")
    if still.get(how, 0) < FEWEST:
        return ""
    shape = list(known[0].points.shape)
    text = f"in {still[how]} pairs of reads of one sample, the image is flipped {how}"
    return f"{text}, and its coordinates, of shape {shape}, are the same"


def _all_equal(samples: list[_Sample]) -> bool:
    return all(torch.equal(samples[0].points, one.points) for one in samples[1:])


def speaks_of_points(evidence: Evidence, loader: Loader) -> bool:
    """Return whether the code that reads a sample has a name such as `boxes` or `landmarks`."""
    code = getattr(getattr(type(below_subsets(loader.data)), "__getitem__", None), "__code__", None)
    if code is None or not is_user_file(code.co_filename):
        return False
    source = evidence.source(code.co_filename)
    if source is None:
        return False
    function = source.function_named("__getitem__", code.co_firstlineno)
    return function is not None and WORDS.search(source.text_of(function)) is not None


def _sample(tensors: tuple[torch.Tensor, ...]) -> _Sample | None:
    """Return the only image of a sample and its only points; None if there are others."""
    images = [gray for tensor in tensors if (gray := _gray(tensor)) is not None]
    if len(images) != 1:
        return None
    found = [one for tensor in tensors if (one := _points(tensor, images[0])) is not None]
    return found[0] if len(found) == 1 else None


def _gray(tensor: torch.Tensor) -> torch.Tensor | None:
    """Return the mean over the channels of an image; None for other tensors."""
    if tensor.ndim != 3:  # noqa: PLR2004  (channels, height, width)
        return None
    for channels, sides in ((0, tensor.shape[1:]), (-1, tensor.shape[:2])):
        if tensor.shape[channels] <= COLORS and min(sides) >= SIDE:
            return tensor.double().mean(dim=channels)
    return None


def _points(tensor: torch.Tensor, image: torch.Tensor) -> _Sample | None:
    """Return a tensor as points inside of an image; None if it cannot be that."""
    rows = tensor.double()
    if rows.ndim == 1 and len(rows) % 2 == 0:
        rows = rows[None] if len(rows) == BOX else rows.reshape(-1, 2)
    if rows.ndim != 2 or not len(rows) or not 2 <= rows.shape[1] <= BOX:  # noqa: PLR2004  (x and y)
        return None
    corners = rows.shape[1] == BOX and bool((rows[:, 2:] > rows[:, :2]).all())
    points = rows.reshape(-1, 2) if corners else rows[:, :2]
    found = _Sample(image, points, tensor.ndim == 2 and len(tensor) >= FEWEST)  # noqa: PLR2004  (as above)
    (left, right), (top, bottom) = _extent(found)
    x, y = points.unbind(1)
    inside = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    return found if bool(inside.all()) else None


def _flip(before: _Sample, after: _Sample) -> tuple[bool, int] | None:
    """Return how an image is flipped, if its points would have to move; None if it is not."""
    found = orientations_of_image(before.image, after.image)
    if len(found) != 1 or not found <= FLIPPED.keys():
        return None
    (turned,) = found
    axis = 0 if turned == SIDEWAYS else 1
    along = before.points[:, axis].sort().values
    low, high = _extent(before)[axis]
    mirrored = (low + high - along).sort().values
    moved = (along - mirrored).abs().max() / (high - low)
    return turned if float(moved) > MARGIN else None


def _extent(sample: _Sample) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the range of x and that of y: pixels, shares of the image, or from -1 to 1."""
    low, high = float(sample.points.min()), float(sample.points.max())
    if low < 0:
        return (-1.0, 1.0), (-1.0, 1.0)
    height, width = sample.image.shape
    unit = high <= 1
    return (0.0, 1.0 if unit else width), (0.0, 1.0 if unit else height)
