"""Boxes of one class do not remove those of another one.

https://docs.pytorch.org/vision/stable/generated/torchvision.ops.batched_nms.html: "NMS will not be
applied between elements of different categories".
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location,
    require_success,
    site_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.suppressions import Suppression

MEANT = "agnostic"


@rule(
    "nms() removes a box because of a better one of its own class",
    stays_quiet="unless the caller has the classes of the boxes, selects from them by the result, "
    "and boxes are removed that no box of their class overlaps; if the file has the word agnostic",
)
def suppressed_by_another_class(evidence: Evidence) -> Iterator[Finding]:
    """Find nms() over the boxes of all classes, where batched_nms() is for several classes."""
    require_success(evidence)
    groups: dict[object, list[Suppression]] = {}
    for one in evidence.record.content_facts.suppressions:
        groups.setdefault(one.places[0], []).append(one)
    for found in groups.values():
        read = [one for one in found if one.lost and _selects(evidence, one)]
        source = evidence.source(found[0].places[0].file)
        if not read or source is None or MEANT in source.text.lower():
            continue
        first = read[0]
        alike = [one for one in found if one.name == first.name]
        lost, count = sum(one.lost for one in alike), sum(one.count for one in alike)
        yield Finding(
            kind="detection",
            message="nms() compares boxes of all classes: a box removes boxes of other classes",
            evidence=f"{lost} of {count} boxes are removed, and no better box of their own class "
            f"in `{first.name}` overlaps them; batched_nms() takes the classes into account",
            severity=Severity.WARNING,
            cause=location(first.places),
            subject=first.places[0].text,
            candidates=_batched(evidence, first),
            confidence=7,
        )


def _selects(evidence: Evidence, found: Suppression) -> bool:
    """Return whether what nms() returns is an index into the classes."""
    chosen = {
        value for one in evidence.record.operators if one.name == "nms" for value in one.outputs
    }
    selected = evidence.flow.descendants(chosen)
    return any(
        not selected.isdisjoint(operator.inputs)
        for operator in evidence.flow.consumers(found.labels)
    )


def _batched(evidence: Evidence, found: Suppression) -> tuple[Candidate, ...]:
    """Return the change that calls batched_nms() with the classes, if they are a variable."""
    site = site_of(evidence, found.places)
    is_read = site is not None and site.called.endswith(".nms")
    if site is None or not is_read or len(site.call.args) < 2 or len(found.labels.shape) != 1:  # noqa: PLR2004  (boxes, scores)
        return ()
    text = f"{site.source.text_of(site.call.args[1])}, {found.name}"
    name = site.called.removesuffix("nms") + "batched_nms"
    changes = [(site.call.func, name), (site.call.args[1], text)]
    return candidates((0, partial(edits.replace, site.source, changes)))
