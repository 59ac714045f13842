"""Transforms that change colors receive images from 0 to 1, and so come before Normalize.

https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.ColorJitter.html: the
functions of torchvision that adjust colors clamp images of floats to numbers from 0 to 1.
"""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.preprocessing import construction_of
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.observe.trees import tensors
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site

COLORS = frozenset({"ColorJitter", "RandomAdjustSharpness", "RandomAutocontrast", "RandomEqualize"})


@rule(
    "transforms of colors receive images from 0 to 1",
    stays_quiet="about images of integers and of PIL, and if no number is below 0",
)
def colors_after_normalize(evidence: Evidence) -> Iterator[Finding]:
    """Find a ColorJitter after Normalize: it clamps what is below 0."""
    seen: set[int] = set()
    for forward in evidence.record.all_passes():
        built = construction_of(evidence, forward)
        if built is None or built.type not in COLORS or id(built) in seen:
            continue
        images = [one for one in tensors(forward.captured or ()) if one.is_floating_point()]
        low = min((float(one.min()) for one in images if one.numel()), default=0.0)
        if low >= 0:
            continue
        seen.add(id(built))
        site = site_of(evidence, built.places)
        yield Finding(
            kind="data/normalize_range",
            message=f"{built.type} receives images that are normalized, and clamps them to numbers "
            "from 0 to 1",
            evidence=f"its input has numbers down to {low:.3g}: apply it before Normalize",
            violates=(Law.INPUTS_AS_DECLARED,),
            cause=location(built.places),
            subject=built.places[0].text if built.places else built.type,
            cases=("data/normalized_twice",),
            candidates=candidates((0, partial(_before, site))) if site else (),
            confidence=8,
        )


def _before(site: Site) -> Patch:
    """Return the change that moves a transform before the Normalize of its list."""
    listed = site.source.parent(site.call)
    if not isinstance(listed, ast.List):
        message = "the transform is not in a list"
        raise edits.EditError(message)
    texts = [site.source.text_of(one) for one in listed.elts]
    calls = [called_name(one) if isinstance(one, ast.Call) else "" for one in listed.elts]
    own = next(at for at, one in enumerate(listed.elts) if one is site.call)
    if "Normalize" not in calls[:own]:
        message = "no Normalize comes before the transform"
        raise edits.EditError(message)
    texts.insert(calls.index("Normalize"), texts.pop(own))
    return edits.replace(site.source, [(listed, f"[{', '.join(texts)}]")])
