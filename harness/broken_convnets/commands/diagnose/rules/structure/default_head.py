"""A classifier of a library has as many classes as the labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    require_success,
    site_of,
)
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.losses import LossCall
    from broken_convnets.observe.recorder.recorded_events import Construction

LIBRARIES = ("torchvision.models", "timm.")
IMAGENET = 1000  # classes, which their classifiers have by default
SHARE = 0.1  # of the classes, that the labels use at most
CHANCE = 1e-6  # that labels of all classes are so small


@rule(
    "the classifier of a library has an output for each class of the labels, and no others",
    stays_quiet="unless it has the 1000 outputs of ImageNet, at least four labels all are below "
    "100, and the program does not mention 1000",
)
def head_of_imagenet(evidence: Evidence) -> Iterator[Finding]:
    """Find classifiers of torchvision or timm that keep 1000 outputs for a few classes."""
    require_success(evidence)
    losses = [one for one in evidence.record.losses if one.name == "cross_entropy"]
    if not losses or any(one.input.classes != IMAGENET for one in losses):
        return
    classes = 1 + int(max(one.target.maximum for one in losses))
    declared = any(str(IMAGENET) in source.text for source in evidence.user_sources)
    if declared or not _are_few(losses, classes):
        return
    built = next(_classifiers(evidence), None)
    if built is None:
        return
    yield Finding(
        kind="training/head_not_replaced",
        message=f"{built.type} has the {IMAGENET} outputs of ImageNet, but the labels use "
        f"{classes} classes",
        evidence=f"all {sum(one.target.count for one in losses)} labels are from "
        f"{min(one.target.minimum for one in losses):g} to {classes - 1}; the other "
        f"{IMAGENET - classes} outputs have no meaning",
        violates=(Law.OUTPUT_AS_DECLARED,),
        cause=location(built.places),
        symptom=location(losses[0].operator.places),
        subject=built.type,
        cases=("module/head_not_replaced",),
        candidates=_with_classes(evidence, built, classes),
        confidence=6,
    )


def _are_few(losses: list[LossCall], classes: int) -> bool:
    """Return whether there are so many labels that using few classes is not by chance."""
    integral = all(not one.target.dtype.is_floating_point for one in losses)
    count = sum(one.target.count for one in losses)
    unlikely = count * math.log(classes / IMAGENET) < math.log(CHANCE)
    return integral and 1 < classes <= SHARE * IMAGENET and unlikely


def _classifiers(evidence: Evidence) -> Iterator[Construction]:
    """Yield where networks of a library are constructed that compute the scores of a loss."""
    for forward in evidence.record.passes:
        root = forward.network()
        if root is None or not evidence.flow.is_in_loss(forward):
            continue
        for module in root.modules():
            built = evidence.record.construction(module) if _is_library(module) else None
            if built is not None and built.places and not built.direct:
                yield built


def _is_library(module: nn.Module) -> bool:
    return type(module).__module__.startswith(LIBRARIES)


def _with_classes(evidence: Evidence, built: Construction, classes: int) -> tuple[Candidate, ...]:
    site = site_of(evidence, built.places)
    if site is None or any(k.arg in {"weights", "pretrained"} for k in site.call.keywords):
        return ()
    return candidates(
        (
            0,
            lambda: edits.set_argument(site.source, site.call, "num_classes", None, str(classes)),
        )
    )
