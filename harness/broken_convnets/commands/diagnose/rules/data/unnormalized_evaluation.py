"""The evaluation normalizes its images as the training does."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.augmentation import is_evaluated
from broken_convnets.commands.diagnose.rules.data.order import trains
from broken_convnets.commands.diagnose.rules.data.samples import below_subsets
from broken_convnets.commands.diagnose.sites import (
    calls_named,
    candidates,
    location,
    location_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.loaders import Loader

LIBRARY = "torchvision.transforms"


@rule(
    "the evaluation normalizes its images as the training does",
    stays_quiet="unless both datasets are of one class and have a transform of torchvision each, "
    "of which one contains Normalize",
)
def evaluation_not_normalized(evidence: Evidence) -> Iterator[Finding]:
    """Find a Compose for the training with Normalize, and one for the evaluation without."""
    loaders = evidence.record.loaders
    training = [one for one in loaders if any(trains(evidence, epoch) for epoch in one.epochs)]
    for loader in loaders:
        if loader in training or not any(is_evaluated(evidence, e) for e in loader.epochs):
            continue
        for one in training:
            if _normalizes(one) is True and _normalizes(loader) is False and _alike(one, loader):
                yield _finding(evidence, loader)
                return


def _finding(evidence: Evidence, loader: Loader) -> Finding:
    calls = list(composed(evidence))
    lacking = [one for one in calls if "Normalize(" not in one[0].text_of(one[1])]
    having = [one for one in calls if one not in lacking]
    source, call = lacking[0] if len(lacking) == 1 else (None, None)
    changes = []
    if source and call and len(having) == 1:
        changes = [(0, partial(_with_normalize, source, call, *having[0]))]
    return Finding(
        kind="data/normalize_range",
        message="the images of the training are normalized, and those of the evaluation are not",
        evidence="the transform of the training has Normalize(mean, std), and that of the loader "
        "in this line has not: the network receives numbers that it was not trained for",
        cause=location_in(source, call) if source and call else location(loader.places),
        symptom=location(loader.places),
        subject=loader.places[0].text if loader.places else "",
        candidates=candidates(*changes),
        confidence=8,
    )


def _steps(loader: Loader) -> list[object]:
    """Return the transforms that a dataset applies to its images, those in a Compose one by one."""
    held = getattr(below_subsets(loader.data), "transform", None)
    inside = getattr(held, "transforms", [held])
    return list(inside) if isinstance(inside, list | tuple) else []


def _normalizes(loader: Loader) -> bool | None:
    """Return whether a dataset normalizes; None if its transform is not torchvision's alone."""
    steps = _steps(loader)
    if not steps or not all(type(one).__module__.startswith(LIBRARY) for one in steps):
        return None
    return any(type(one).__name__ == "Normalize" for one in steps)


def _alike(one: Loader, other: Loader) -> bool:
    return type(below_subsets(one.data)) is type(below_subsets(other.data))


def composed(evidence: Evidence) -> Iterator[tuple[Source, ast.Call]]:
    """Yield the calls of Compose with a list of transforms."""
    for source, call in calls_named(evidence, "Compose"):
        if call.args and isinstance(call.args[0], ast.List) and call.args[0].elts:
            yield source, call


def _with_normalize(source: Source, call: ast.Call, other: Source, normal: ast.Call) -> Patch:
    """Append the Normalize of one Compose to another one."""
    steps = normal.args[0]
    elements = steps.elts if isinstance(steps, ast.List) else []
    text = next(t for t in map(other.text_of, elements) if "Normalize(" in t)
    listed = call.args[0]
    last = listed.elts[-1] if isinstance(listed, ast.List) else listed
    return edits.replace(source, [(last, f"{source.text_of(last)}, {text}")])
