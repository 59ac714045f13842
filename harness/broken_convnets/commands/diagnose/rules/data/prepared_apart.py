"""An image is prepared in one way for the training and for inference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.images_again import COLORS, images_again
from broken_convnets.commands.diagnose.rules.data.normalized_apart import (
    normalized_in_one_of_both,
)
from broken_convnets.commands.diagnose.rules.data.normalized_bytes import (
    bytes_normalized_as_shares,
)
from broken_convnets.commands.diagnose.rules.data.scales import scale_differs_at_inference
from broken_convnets.commands.diagnose.rules.data.unnormalized_evaluation import (
    evaluation_not_normalized,
)
from broken_convnets.commands.diagnose.rules.data.unscaled_arrays import (
    float_pixels_are_not_scaled,
)
from broken_convnets.commands.diagnose.sites import location, require_success
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.data.images_again import Again
    from broken_convnets.observe.recorder.values import Value

SAME = 0.02  # of the factor, and of the deviation, by which images may differ
IMAGES = 2  # that are in both, at least
SHIFTS = frozenset({"sub", "__sub__", "sub_", "normalize"})
SCALES = frozenset({"div", "__truediv__", "div_", "mul", "__mul__", "mul_"})
PERMUTING = frozenset(
    {"permute", "transpose", "movedim", "swapaxes", "t", "__get__ T", "__get__ mT"}
)
KNOWN = (
    normalized_in_one_of_both,
    scale_differs_at_inference,
    evaluation_not_normalized,
    float_pixels_are_not_scaled,
    bytes_normalized_as_shares,
)


@rule(
    "the channels of an image have one order in training and at inference",
    stays_quiet="unless an image that the network was trained on comes again with its channels "
    "reversed, no image comes again as it was, and the training does not have both",
)
def channels_reversed_at_inference(evidence: Evidence) -> Iterator[Finding]:
    """Find BGR images in a network that is trained with RGB images, and the reverse."""
    require_success(evidence)
    for again in images_again(evidence):
        pairs = _turned(again, "reversed") if again.there.shapes.shape[1] == COLORS else []
        if not pairs:
            continue
        (row, column), *_ = pairs
        former, now = (
            ", ".join(f"{n:.3g}" for n in pool.means[at].tolist())
            for pool, at in ((again.there, column), (again.here, row))
        )
        yield Finding(
            kind="data/bgr_rgb",
            message="the network receives the channels of images in the opposite order than in "
            "training",
            evidence=f"{len({row for row, _ in pairs})} of the images here were in the training "
            f"with their channels reversed: the means of one were [{former}], here they are "
            f"[{now}]",
            violates=(Law.INPUTS_AS_DECLARED,),
            cause=_origin(evidence, again),
            symptom=location(again.later[0].places),
            subject=again.later[0].places[0].text,
            cases=("data/bgr_channel_order",),
            confidence=8,
        )
        return


@rule(
    "the rows of an image are rows in training and at inference",
    stays_quiet="unless an image that the network was trained on comes again transposed, no image "
    "comes again as it was, at this line or another, and the training does not have both",
)
def transposed_at_inference(evidence: Evidence) -> Iterator[Finding]:
    """Find images whose height and width inference exchanges, as .T or permute(2, 1, 0) does."""
    require_success(evidence)
    for again in images_again(evidence):
        pairs = _turned(again, "transposed")
        if not pairs:
            continue
        yield Finding(
            kind="data/reshape_instead_of_permute",
            message="the network receives images whose rows and columns are exchanged",
            evidence=f"{len({row for row, _ in pairs})} of the images here were in the training "
            "with their height and width exchanged; channels move to the front with "
            "permute(2, 0, 1)",
            violates=(Law.INPUTS_AS_DECLARED,),
            cause=_permutation(evidence, again) or _origin(evidence, again),
            symptom=location(again.later[0].places),
            subject=again.later[0].places[0].text,
            confidence=8,
        )
        return


@rule(
    "an image is normalized with the same numbers in training and at inference",
    stays_quiet="unless two images or more come again, all of them scaled and shifted by the same "
    "numbers, as no random change of the colors does, and the network "
    "predicts none of them as it was",
)
def normalized_with_other_numbers(evidence: Evidence) -> Iterator[Finding]:
    """Find images that inference scales or shifts in another way than the training."""
    require_success(evidence)
    for again in images_again(evidence):
        if again.has_plain:
            continue
        rows, columns = again.here.same(again.there).nonzero(as_tuple=True)
        if len(set(rows.tolist())) < IMAGES or len(set(columns.tolist())) < IMAGES:
            continue
        factors = again.here.deviations[rows] / again.there.deviations[columns]
        shifts = again.here.means[rows] - factors * again.there.means[columns]
        deviation = float(again.here.deviations[rows].mean())
        constant = all(
            float((one.amax(0) - one.amin(0)).max()) < SAME * scale
            for one, scale in ((factors / factors.mean(0), 1.0), (shifts, deviation))
        )
        changed = float((factors - 1).abs().max()) > SAME or float(shifts.abs().max()) > (
            SAME * deviation
        )
        if not constant or not changed or any(any(check(evidence)) for check in KNOWN):
            continue
        factor, shift = (
            ", ".join(f"{n:.3g}" for n in one.mean(0).tolist()) for one in (factors, shifts)
        )
        yield Finding(
            kind="data/normalize_range",
            message="images are not normalized as they are in training",
            evidence=f"{len(set(rows.tolist()))} images of the training come again, multiplied by "
            f"[{factor}] and shifted by [{shift}]",
            violates=(Law.INPUTS_AS_DECLARED,),
            cause=_shift(evidence, again) or _origin(evidence, again),
            symptom=location(again.later[0].places),
            subject=again.later[0].places[0].text,
            confidence=7,
        )
        return


def _turned(again: Again, how: str) -> list[tuple[int, int]]:
    """Return the pairs of an image here and there that are equal if one is turned.

    Empty if any image comes again as it was, or if the images there have both forms.
    """
    if again.has_plain:
        return []
    plain = again.here.same(again.there)
    turned = getattr(again.here, how).same(again.there) & ~plain
    both = getattr(again.there, how).same(again.there) & ~again.there.same(again.there)
    if bool(plain.any()) or bool(both.any()):
        return []
    return [(row, column) for row, column in torch.nonzero(turned).tolist()]


def _permutation(evidence: Evidence, again: Again) -> Location | None:
    """Return the last line that permutes the dimensions of the images."""
    made = [evidence.record.producer(value) for value in _ancestors(evidence, again)]
    found = [one for one in made if one and one.name in PERMUTING and one.places]
    return location(found[-1].places) if found else None


def _origin(evidence: Evidence, again: Again) -> Location | None:
    """Return where the input becomes a tensor, in the function that calls the network or near."""
    places = again.later[0].places
    first = _ancestors(evidence, again)
    made = [
        operator
        for value in first
        if (operator := evidence.record.producer(value)) and operator.places
        if not operator.inputs or evidence.record.producer(operator.inputs[0]) is None
    ]
    return location(made[0].places) if made else location(places)


def _shift(evidence: Evidence, again: Again) -> Location | None:
    """Return the line that subtracts from the images, or the last Normalize of several."""
    normalizes = [one for one in evidence.record.constructions if one.type == "Normalize"]
    different = {tuple(map(str, one.arguments.values())) for one in normalizes}
    if len(different) > 1 and normalizes[-1].places:
        return location(normalizes[-1].places)
    made = [evidence.record.producer(value) for value in _ancestors(evidence, again)]
    for names in (SHIFTS, SCALES):
        found = [one for one in made if one and one.name in names and one.places]
        if found:
            return location(found[-1].places)
    return None


def _ancestors(evidence: Evidence, again: Again) -> list[Value]:
    found = evidence.flow.ancestors(again.later[0].received[:1])
    return sorted(found, key=lambda value: value.number)
