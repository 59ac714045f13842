"""The transforms of torchvision v2 recognize a mask by its class."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.observe.recorder.places import Place

PAIR = 2  # arguments of a call: an image and its mask


@rule(
    "a mask that is transformed with its image is a tv_tensors.Mask",
    stays_quiet="about transforms that do not move pixels, tensors of another size than the image, "
    "and tensors with more than 32 different values",
)
def mask_is_a_plain_tensor(evidence: Evidence) -> Iterator[Finding]:
    """Find a mask that a random flip, crop or rotation passes through unchanged."""
    mask = evidence.record.passed_mask
    if mask is None:
        return
    yield Finding(
        kind="data/plain_tensor_in_transforms_v2",
        message=f"{mask.transform} moves the image at random, and never its mask",
        evidence=f"the mask is a plain tensor of shape {list(mask.shape)}, which transforms v2 "
        "pass through if there is an image: wrap it as tv_tensors.Mask",
        violates=(Law.MASKS_MATCH_IMAGES,),
        cause=location(mask.places),
        subject=mask.places[0].text,
        cases=("data/mask_without_tv_tensor",),
        candidates=_wrapped(evidence, mask.places),
        confidence=9,
    )


def _wrapped(evidence: Evidence, places: tuple[Place, ...]) -> tuple[Candidate, ...]:
    """Return the change that wraps the second of two arguments."""
    site = site_of(evidence, places)
    if site is None or len(site.call.args) != PAIR or isinstance(site.call.args[1], ast.Starred):
        return ()
    source, argument = site.source, site.call.args[1]
    changes: list[tuple[ast.expr | ast.stmt, str]] = [
        (argument, f"tv_tensors.Mask({source.text_of(argument)})")
    ]
    imports = [n for n in source.tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {alias.asname or alias.name for node in imports for alias in node.names}
    if "tv_tensors" not in names and imports:
        text = f"{source.text_of(imports[-1])}\nfrom torchvision import tv_tensors"
        changes.append((imports[-1], text))
    return candidates((0, partial(edits.replace, source, changes)))
