"""An image and the image that a network makes of it are flipped and cropped alike."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F  # noqa: N812  (its usual name)

from broken_convnets.commands.diagnose.findings import Finding, Location, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.flip_lines import flip_line
from broken_convnets.commands.diagnose.rules.data.inverted_boxes import COLORS, SIDE
from broken_convnets.commands.diagnose.rules.data.orientations import orientations_of_image
from broken_convnets.commands.diagnose.rules.data.samples import Samples, below_subsets
from broken_convnets.commands.diagnose.sites import require_success
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.observe.recorder.passed_masks import is_mask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.loaders import Loader
    from broken_convnets.observe.recorder.values import Value

INDICES = 3  # samples that are read
SEEDS = 8  # reads of each, to compare flips
MORE = 24  # reads of the first, to compare crops
FEWEST = 2  # pairs of reads
LIKE, UNLIKE = 0.9, 0.5  # correlations of two images that show the same, and of others
DIFFERENCES = frozenset({"sub", "__sub__", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})
DIFFERENCES |= {"binary_cross_entropy", "binary_cross_entropy_with_logits"}
SPATIAL = ("crop", "flip", "transform", "aug", "rotat", "affine")


@dataclass(frozen=True)
class _Apart:
    """How both images are moved, and whether both are."""

    evidence: str
    both: bool


@dataclass(frozen=True)
class _Pair:
    """Two gray images of a sample."""

    one: torch.Tensor
    other: torch.Tensor


@rule(
    "an image and the image that a network learns to make of it are moved alike",
    stays_quiet="unless a loss subtracts an output from one of the two images of a sample that "
    "it was not made of, and in several reads they are flipped differently, or show the same only "
    "in different reads; a warning if only one of them is moved",
)
def image_pair_moved_apart(evidence: Evidence) -> Iterator[Finding]:
    """Find random flips and crops that are drawn anew for the target."""
    require_success(evidence)
    shapes = _shapes_of_targets(evidence)
    for loader in {one.dataset.base: one for one in evidence.record.loaders}.values():
        samples = Samples.of(evidence, loader) if shapes else None
        found = (
            _apart(samples, min(INDICES, loader.dataset.length or 0), shapes) if samples else None
        )
        if found is None:
            continue
        yield Finding(
            kind="data/image_and_mask_transformed_apart",
            message=f"{loader.type} moves an image in another way than its target",
            evidence=found.evidence,
            severity=Severity.ERROR if found.both else Severity.WARNING,
            cause=_line(evidence, loader),
            subject=loader.type,
            cases=("data/image_and_mask_transformed_apart",),
            confidence=7,
        )
        return


def _shapes_of_targets(evidence: Evidence) -> set[tuple[int, ...]]:
    """Return the shapes of images that an output of a network is subtracted from."""
    found: set[tuple[int, ...]] = set()
    for operator in evidence.record.operators:
        if operator.name not in DIFFERENCES or len(operator.inputs) != 2:  # noqa: PLR2004  (output, target)
            continue
        one, other = operator.inputs
        shape = one.shape
        if len(shape) != 4 or shape != other.shape or shape[1:] in found:  # noqa: PLR2004  (images)
            continue
        if one.requires_grad == other.requires_grad or shape[1] > COLORS:
            continue
        output, target = (one, other) if one.requires_grad else (other, one)
        if _batches(evidence, target).isdisjoint(_batches(evidence, output)):
            found.add(shape[1:])
    return found


def _batches(evidence: Evidence, value: Value) -> set[Value]:
    """Return the tensors of loaders that a value comes from: an autoencoder learns its input."""
    epochs = (epoch for loader in evidence.record.loaders for epoch in loader.epochs)
    known = {one for epoch in epochs for batch in epoch.values for one in batch}
    return known & evidence.flow.ancestors([value])


def _apart(samples: Samples, count: int, shapes: set[tuple[int, ...]]) -> _Apart | None:
    flipped = alone = compared = 0
    for index in range(count):
        first = _pair(samples.read_leaves(index, 0), shapes)
        for seed in range(1, SEEDS):
            second = _pair(samples.read_leaves(index, seed), shapes)
            if first is None or second is None:
                return None
            one = orientations_of_image(first.one, second.one)
            other = orientations_of_image(first.other, second.other)
            compared += len(one) == len(other) == 1
            if len(one) == len(other) == 1 and one != other:
                flipped += 1
                alone += (False, 0) in one | other
    if flipped >= FEWEST:
        text = f"in {flipped} of {compared} pairs of reads of one sample, one image is flipped or"
        reads = [_pair(samples.read_leaves(0, seed), shapes) for seed in range(SEEDS)]
        moved = flipped > alone or _both_move([one for one in reads if one is not None])
        return _Apart(f"{text} rotated in another way than the other one", both=moved)
    return _cropped(samples, count, shapes)


def _both_move(reads: list[_Pair]) -> bool:
    """Return whether each of both images differs from read to read."""
    return all(
        any(not torch.equal(getattr(reads[0], name), getattr(one, name)) for one in reads[1:])
        for name in ("one", "other")
    )


def _cropped(samples: Samples, count: int, shapes: set[tuple[int, ...]]) -> _Apart | None:
    """Find images that show the same in different reads, and not in one and the same."""
    apart = 0
    for index in range(min(FEWEST, count)):
        pairs = [_pair(samples.read_leaves(index, seed), shapes) for seed in range(MORE)]
        known = [one for one in pairs if one is not None]
        if len(known) < MORE or len({one.one.shape for one in known}) > 1:
            return None
        if len({one.other.shape for one in known}) > 1 or not _both_move(known):
            return None
        if any(torch.equal(a.one, b.other) for a in known for b in known):
            return None  # two images of one kind, whose order is random
        likeness = _likeness(known)
        same = likeness.diagonal()
        cross = likeness.clone().fill_diagonal_(0).amax(1)
        apart += int(((same < UNLIKE) & (cross > LIKE)).sum())
    if apart < 2 * FEWEST:
        return None
    text = f"in {apart} of {MORE * FEWEST} reads, both images of a sample show different parts, "
    return _Apart(f"{text}though the target of another read shows the same part", both=True)


def _likeness(pairs: list[_Pair]) -> torch.Tensor:
    """Return the correlations of all first with all second images, whatever their sign."""
    size = min(pairs[0].one.shape, pairs[0].other.shape)
    rows = []
    for name in ("one", "other"):
        images = torch.stack([getattr(one, name) for one in pairs])[:, None]
        flat = F.adaptive_avg_pool2d(images, size).flatten(1)
        flat = flat - flat.mean(1, keepdim=True)
        rows.append(F.normalize(flat, dim=1))
    return (rows[0] @ rows[1].T).abs()


def _pair(tensors: tuple[torch.Tensor, ...], shapes: set[tuple[int, ...]]) -> _Pair | None:
    """Return the only two images of a sample, if one may be a target; None for masks."""
    images = [
        tensor
        for tensor in tensors
        if tensor.ndim == 3 and tensor.shape[0] <= COLORS and min(tensor.shape[1:]) >= SIDE  # noqa: PLR2004  (channels, too)
    ]
    if len(images) != 2 or any(map(is_mask, images)):  # noqa: PLR2004  (a pair)
        return None
    if not any(tuple(image.shape) in shapes for image in images):
        return None
    return _Pair(*(image.double().mean(0) for image in images))


def _line(evidence: Evidence, loader: Loader) -> Location | None:
    """Return the last line of `__getitem__` that moves an image."""
    code = getattr(getattr(type(below_subsets(loader.data)), "__getitem__", None), "__code__", None)
    source = evidence.source(code.co_filename) if code else None
    function = (
        source.function_named("__getitem__", code.co_firstlineno) if source and code else None
    )
    lines = [
        node.lineno
        for node in (ast.walk(function) if function else ())
        if isinstance(node, ast.Call) and any(word in called_name(node).lower() for word in SPATIAL)
    ]
    if lines and source:
        return Location(source.path, max(lines))
    return flip_line(evidence, loader)
