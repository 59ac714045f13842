"""Explain scores and class targets whose shapes do not fit in a cross entropy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.explanation import Explanation
from broken_convnets.commands.diagnose.analysis.sizes.expressions import operator_call
from broken_convnets.commands.diagnose.analysis.sizes.lineage import chain
from broken_convnets.commands.diagnose.analysis.sizes.merging import unmerged_changes
from broken_convnets.commands.diagnose.analysis.sizes.mismatch import LATER, ranked
from broken_convnets.commands.diagnose.analysis.sizes.resizing import functional, own_size_changes
from broken_convnets.commands.diagnose.analysis.sizes.wording import shape
from broken_convnets.commands.diagnose.findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.sizes.losses import Loss

SEQUENCE, IMAGES, MATRIX = 3, 4, 2


def class_explanations(found: Loss) -> Iterator[Explanation]:
    """Yield the explanations that fit, the most specific first."""
    for explain in (
        _mask_with_channels,
        _mask_of_other_size,
        _classes_last,
        _one_target_per_sample,
        _flat_scores,
        _merged_batch,
    ):
        yield from explain(found)


def _mask_with_channels(found: Loss) -> Iterator[Explanation]:
    """Explain masks with a channel dimension."""
    scores, target = found.output.shape, found.target.shape
    if len(scores) == len(target) == IMAGES and scores[1] > 1 in {target[1], target[-1]}:
        dimension = 1 if target[1] == 1 else IMAGES - 1
        squeezed = f"{{}}.squeeze({dimension})"
        yield Explanation(
            "loss/target_shape_segmentation",
            ranked((0, "", [*found.on_target(squeezed), *found.on_target(f"{squeezed}.long()")])),
            f"cross entropy needs a class for each pixel, without a channel dimension: "
            f"{[scores[0], *scores[2:]]}",
            cases=("loss/mask_with_channel_dimension",),
        )


def _mask_of_other_size(found: Loss) -> Iterator[Explanation]:
    """Explain scores of another height or width than the masks."""
    scores, target = found.output.shape, found.target.shape
    if len(scores) == IMAGES and len(target) == SEQUENCE and scores[2:] != target[1:]:
        size = f"{found.source.text_of(found.nodes[1])}.shape[-2:]"
        resized = f"{functional(found.source)}.interpolate({{}}, size={size})"
        own = own_size_changes(found.evidence, found.path, target[-1])
        yield Explanation(
            "loss/target_shape_segmentation",
            ranked(*own, (LATER, "resizes the scores", found.on_output(resized))),
            f"the scores are {scores[2]} x {scores[3]}, the masks {target[1]} x {target[2]}",
        )


def _classes_last(found: Loss) -> Iterator[Explanation]:
    """Explain scores with the classes in the last dimension."""
    scores, target = found.output.shape, found.target.shape
    if len(scores) > MATRIX and scores[:-1] == target:
        rank = len(scores)
        moved = "{}.transpose(1, 2)" if rank == SEQUENCE else "{}.movedim(-1, 1)"
        yield Explanation(
            "loss/target_shape",
            ranked((0, "", found.on_output(moved))),
            f"cross entropy expects the classes in dimension 1, and {shape(found.output)} has its "
            f"{scores[-1]} classes last",
            cases=("loss/class_dimension_last",),
        )


def _one_target_per_sample(found: Loss) -> Iterator[Explanation]:
    """Explain scores for each pixel or step, with one target for each sample."""
    scores, target = found.output.shape, found.target.shape
    if len(target) != 1 or len(scores) < SEQUENCE or scores[0] != target[0]:
        return
    spatial = tuple(range(2, len(scores)))
    if len(scores) == SEQUENCE:
        options = ["{}[:, -1]", "{}.mean(dim=1)", "{}.mean(dim=2)"]
    elif math.prod(scores[2:]) == 1:
        options = ["{}.flatten(1)"]
    else:
        options = [f"{{}}.mean(dim={spatial})"]
    changes = [change for option in options for change in found.on_output(option)]
    yield Explanation(
        "loss/target_shape",
        ranked((0, "", changes)),
        f"there is one target for each sample, and the scores are {shape(found.output)}",
    )


def _flat_scores(found: Loss) -> Iterator[Explanation]:
    """Explain flattened scores with targets that are not flattened."""
    scores, target = found.output.shape, found.target.shape
    fits = target[1:] != (1,) and math.prod(target) == scores[0] and target[:1] != scores[:1]
    if len(scores) == MATRIX and fits:
        several = f"the scores are flattened to {scores[0]} rows, and the targets are not"
        yield Explanation(
            "loss/batch_size_mismatch",
            ranked((0, "", found.on_target("{}.reshape(-1)"))),
            several if target else "the scores are one row, and the target has no dimension",
        )


def _merged_batch(found: Loss) -> Iterator[Explanation]:
    """Explain a view that moves pixels of one sample into the batch, or several into one row."""
    scores, target = found.output.shape, found.target.shape
    rows, samples = scores[0], target[0] if target else 0
    uneven = rows * samples == 0 or (rows % samples and samples % rows)
    if len(target) != 1 or rows == samples or uneven:
        return
    each = f"{rows // samples} rows for each sample"
    each = each if rows > samples else f"{samples // rows} samples in each row"
    for operator in chain(found.evidence.record, found.output):
        before = next((v for v in operator.inputs if not v.parameter), None)
        after = operator.outputs[0].shape if operator.outputs else ()
        call = operator_call(found.evidence, operator)
        if before is None or not after:
            return
        if call and before.shape[0] == samples and after[0] == rows:
            yield Explanation(
                "loss/batch_size_mismatch",
                ranked(*unmerged_changes(found.evidence, call, before, after)),
                f"`{operator.name}` turns {shape(before)} into {list(after)}: {each}",
                cases=("batch/view_merges_pixels_into_batch",),
                cause=Location(call[0].path, call[1].lineno),
            )
            return
