"""Training and inference both shift the pixels of their images, or none does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.unnormalized_evaluation import (
    composed,
    evaluation_not_normalized,
)
from broken_convnets.commands.diagnose.sites import candidates, location, location_in, site_of
from broken_convnets.observe.recorder.scales import Scale
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate, Location
    from broken_convnets.observe.recorder.passes import ForwardPass

LOOKS = 4  # batches of training that have a scale, at least two of which are needed
NEEDED = 2


@rule(
    "images are shifted and scaled at inference as in training",
    stays_quiet="unless all images of one of both are integers from 0 to 255 that were divided by "
    "255, and in each channel of all images of the other one at most 256 levels are equally far "
    "apart, some below 0",
)
def normalized_in_one_of_both(evidence: Evidence) -> Iterable[Finding]:
    """Find images that are normalized for the training, and not where the network predicts."""
    passes = [one for one in evidence.record.passes if one.scale and one.places]
    training = [one for one in passes if one.training and evidence.flow.is_in_loss(one)]
    groups: dict[object, list[ForwardPass]] = {}
    for one in passes:
        if not one.training:
            groups.setdefault((one.places, id(one.network())), []).append(one)
    for found in groups.values():
        later = found[0]
        own = [one for one in training if one.network() is later.network()]
        alike = own or [p for p in training if is_same_network(p.network(), later.network())]
        here, there = {one.scale for one in alike}, {one.scale for one in found}
        if (
            len(alike) < NEEDED
            or len(here) != 1
            or len(there) != 1
            or not _predicts(evidence, found)
        ):
            continue
        both = here | there
        if both == {Scale.SHIFTED, Scale.SHARES} and not any(evaluation_not_normalized(evidence)):
            return [_finding(evidence, alike[0], later)]
    return []


def _predicts(evidence: Evidence, passes: list[ForwardPass]) -> bool:
    """Return whether the program uses what passes return, and learns nothing from it."""
    returned = [value for one in passes for value in one.returned]
    return any(map(evidence.flow.consumers, returned)) and not any(
        map(evidence.flow.is_in_loss, passes)
    )


def _finding(evidence: Evidence, training: ForwardPass, later: ForwardPass) -> Finding:
    lacking = later.scale is Scale.SHARES
    one, other = ("training", "inference") if lacking else ("inference", "training")
    scales = [forward.scale.value for forward in (training, later) if forward.scale]
    return Finding(
        kind="data/normalize_range",
        message=f"the images of the {one} are normalized, and those of the {other} are not",
        evidence=f"in training the pixels are {scales[0]}, here they are {scales[1]}",
        violates=(Law.INPUTS_AS_DECLARED,),
        cause=(_transform(evidence, later) if lacking else None)
        or location(later.places if lacking else training.places),
        symptom=location(training.places if lacking else later.places),
        subject=later.places[0].text,
        candidates=_normalized(evidence, later) if lacking else (),
        confidence=7,
    )


def _transform(evidence: Evidence, later: ForwardPass) -> Location | None:
    """Return the only Compose of the class that calls the network, if it has no Normalize."""
    site = site_of(evidence, later.places)
    owner = site.source.class_of(site.call) if site else None
    found = [
        (source, call)
        for source, call in composed(evidence)
        if site and owner and source is site.source and source.class_of(call) is owner
    ]
    if len(found) != 1 or "Normalize(" in found[0][0].text_of(found[0][1]):
        return None
    return location_in(*found[0])


def is_same_network(one: nn.Module | None, other: nn.Module | None) -> bool:
    """Return whether two networks are one, or of one class of the user and equally large."""
    if one is None or other is None or one is other:
        return one is other and one is not None
    shapes = [[parameter.shape for parameter in net.parameters()] for net in (one, other)]
    own = not type(one).__module__.startswith("torch.")
    return own and type(one) is type(other) and shapes[0] == shapes[1]


def _normalized(evidence: Evidence, later: ForwardPass) -> tuple[Candidate, ...]:
    """Return the change that applies the only Normalize of the program to the input."""
    built = {one.places[0]: one for one in evidence.record.constructions if one.places}
    only = [one for one in built.values() if one.type == "Normalize"]
    site = site_of(evidence, later.places)
    made = site_of(evidence, only[0].places) if len(only) == 1 else None
    if site is None or made is None or site.source is not made.source or not site.call.args:
        return ()
    first = site.call.args[0]
    text = f"{made.source.text_of(made.call)}({site.source.text_of(first)})"
    return candidates((0, partial(edits.replace, site.source, [(first, text)])))
