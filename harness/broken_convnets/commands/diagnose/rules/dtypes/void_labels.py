"""Pixels without a class have a number that the loss ignores."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.dtypes.casts import failed_operator
from broken_convnets.commands.diagnose.rules.dtypes.loss_calls import CLASSES, loss_call
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.dtypes.loss_calls import LossCall

VOID = 255  # of masks in uint8: Pascal VOC and Cityscapes mark borders and unlabeled pixels with it
DEFAULT = -100  # ignore_index of cross_entropy and nll_loss


@rule(
    "a loss ignores the pixels that have no class",
    stays_quiet="unless 255 is the only number without a class, beside two classes or more",
)
def void_is_not_ignored(evidence: Evidence) -> Iterator[Finding]:
    """Find masks with 255 for a loss without ignore_index=255."""
    frame = require_failure(evidence, IndexError, RuntimeError)
    found = loss_call(evidence, CLASSES, failed_operator(evidence))
    if found is None or not has_void(found):
        return
    built = evidence.record.construction_of(found.operator)
    places = built.places if built else found.operator.places
    site = site_of(evidence, places)
    target = found.frame.source.text_of(found.nodes[1]) if found.nodes else "the target"
    change = (
        [(0, partial(edits.set_argument, site.source, site.call, "ignore_index", None, str(VOID)))]
        if site
        else []
    )
    yield Finding(
        kind="loss/target_out_of_range",
        message=f"`{shortened(target)}` marks pixels without a class with {VOID}, and the loss "
        "does not ignore them",
        evidence=f"the other labels are below {found.scores.shape[1]}, the number of classes; "
        f"{found.operator.name} ignores {DEFAULT} by default: pass ignore_index={VOID}",
        cause=location(places),
        symptom=frame_location(frame),
        subject=shortened(target),
        cases=("loss/mask_of_0_and_255",),
        candidates=candidates(*change),
        confidence=10,
    )


def has_void(found: LossCall) -> bool:
    """Return whether 255 is the only number in the targets that is not a class."""
    value = found.frame.value(found.nodes[1]) if found.nodes else None
    if not isinstance(value, torch.Tensor) or value.device.type == "meta" or value.ndim < 3:  # noqa: PLR2004  (samples and pixels)
        return False
    labels = {int(label) for label in value.unique() if label != DEFAULT}
    known = {label for label in labels if 0 <= label < found.scores.shape[1]}
    return labels - known == {VOID} and len(known) > 1
