"""The class indices of a mask survive its conversion."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.observe.recorder.losses import CASTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.contents import Contents

LEVELS = 255  # by which ToTensor divides the bytes of an image
NEAR = 1e-3


@rule(
    "a cast to integers keeps the class indices of a target",
    stays_quiet="about targets that have values of 1 or more, that are all 0 before the cast, "
    "and casts that no loss depends on",
)
def mask_rounded_to_zero(evidence: Evidence) -> Iterator[Finding]:
    """Find a target whose values between 0 and 1 a cast to integers turns to 0."""
    used = evidence.flow.ancestors(
        value for call in evidence.record.losses for value in call.operator.inputs[1:2]
    )
    for number, before in evidence.record.read_inputs.items():
        operator = evidence.record.operators.find(number)
        if operator is None or not operator.places or not used.intersection(operator.outputs):
            continue
        if operator.name not in CASTS or not (before.minimum >= 0 and 0 < before.maximum < 1):
            continue
        site = site_of(evidence, operator.places)
        yield Finding(
            kind="data/to_tensor_on_a_mask",
            message="the cast to integers turns every value of the target into 0",
            evidence=f"{operator.places[0].text} receives numbers from {before.minimum:.3g} to "
            f"{before.maximum:.3g}{_origin(before)}; a cast truncates, so no class but 0 is left",
            cause=location(operator.places),
            subject=operator.places[0].text,
            cases=("data/to_tensor_on_a_mask",),
            candidates=_unscaled(site) if site and _origin(before) else (),
            confidence=9,
        )
        return


def _origin(before: Contents) -> str:
    """Return what the numbers are, if they are bytes that were divided by 255."""
    label = before.maximum * LEVELS
    if abs(label - round(label)) > NEAR:
        return ""
    return f" = {round(label)}/{LEVELS}, class indices that ToTensor has divided by {LEVELS}"


def _unscaled(site: Site) -> tuple[Candidate, ...]:
    """Return the change that multiplies by 255 before the cast."""
    function, source = site.call.func, site.source
    if not isinstance(function, ast.Attribute):
        return ()
    owner = function.value
    text = source.owner_text(owner)
    return candidates(
        (0, partial(edits.replace, source, [(owner, f"{text}.mul({LEVELS}).round()")]))
    )
