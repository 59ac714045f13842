"""The loss of a language model leaves the padding of its targets out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.padded_targets import PaddedTargets

CALLS = 2  # of a loss, at least
SHARE = 0.01  # of targets, at least


@rule(
    "the loss of next tokens leaves padding out",
    stays_quiet="unless the targets are the next ids of what an embedding with a padding_idx "
    "received, rows of different lengths end with that id, and the loss counts them",
)
def padding_counts_in_the_loss(evidence: Evidence) -> Iterator[Finding]:
    """Find cross_entropy without ignore_index, for targets that end with padding."""
    places: dict[object, list[PaddedTargets]] = {}
    for one in evidence.record.content_facts.padded_targets:
        if one.operator.outputs and one.operator.outputs[0] in evidence.flow.reaching_backward:
            places.setdefault(one.operator.place, []).append(one)
    for found in places.values():
        if len(found) >= CALLS and sum(o.both for o in found) > SHARE * sum(o.total for o in found):
            yield _finding(evidence, found)


def _finding(evidence: Evidence, found: list[PaddedTargets]) -> Finding:
    operator, padding = found[0].operator, found[0].padding
    built = evidence.record.construction_of(operator)
    places = built.places if built is not None and built.places else operator.places
    site = site_of(evidence, places)
    count, both = sum(one.count for one in found), sum(one.both for one in found)
    total = sum(one.total for one in found)
    changes = (
        [partial(edits.set_argument, site.source, site.call, "ignore_index", None, str(padding))]
        if site is not None
        else []
    )
    return Finding(
        kind="loss",
        message=f"{operator.name} counts the padding of the targets: pass ignore_index={padding}",
        evidence=f"{count / total:.0%} of the {total:,} targets are {padding}, the padding_idx of "
        f"the embedding, at the ends of rows of different lengths; for {both / total:.0%} the "
        "input token is padding as well, so the loss and its mean are too small",
        cause=location(places),
        symptom=location(operator.places),
        subject=operator.places[0].text if operator.places else operator.name,
        candidates=candidates(*((0, change) for change in changes)),
        confidence=7,
    )
