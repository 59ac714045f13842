"""A padding mask lets the tokens take part in attention, not the padding."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.commands.diagnose.source import argument
from broken_convnets.observe.recorder.padding_masks import IGNORING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.padding_masks import PaddingMask

ARGUMENTS = ("key_padding_mask", "src_key_padding_mask", "memory_key_padding_mask", "attn_mask")


@rule(
    "padding masks of attention let tokens take part, and not padding",
    stays_quiet="unless what takes part has one token id, at the ends of rows of different "
    "lengths, that no masked position has, at every call at one place",
)
def padding_mask_is_inverted(evidence: Evidence) -> Iterator[Finding]:
    """Find key_padding_mask=(ids != 0), and attn_mask=(ids == 0)."""
    places: dict[object, list[PaddingMask]] = {}
    for mask in evidence.record.content_facts.padding_masks:
        places.setdefault(mask.operator.place, []).append(mask)
    for masks in places.values():
        if all(mask.inverted for mask in masks) and masks[0].operator.places:
            yield _finding(evidence, masks[0])


def _finding(evidence: Evidence, mask: PaddingMask) -> Finding:
    operator = mask.operator
    ignores = operator.name == IGNORING
    meaning = "is ignored" if ignores else "takes part"
    name = "key_padding_mask" if ignores else "attn_mask"
    site = site_of(evidence, operator.places)
    given = _mask_of(site) if site is not None else None
    attempts = (
        [(0, partial(edits.replace, site.source, [(given, _inverted(site, given))]))]
        if site is not None and given is not None
        else []
    )
    return Finding(
        kind="module",
        message=f"the padding mask is inverted: a position where {name} is True {meaning}",
        evidence=f"the {mask.attended} of {mask.total} positions that take part all have the "
        f"token id {mask.padding}, at the ends of rows of different lengths: attention reads the "
        "padding and ignores all other tokens",
        cause=location(operator.places),
        subject=operator.places[0].text,
        candidates=candidates(*attempts),
        confidence=9,
    )


def _mask_of(site: Site) -> ast.expr | None:
    found = (argument(site.call, name) for name in ARGUMENTS)
    return next((one for one in found if one is not None), None)


def _inverted(site: Site, given: ast.expr) -> str:
    """Return the text of a mask with the opposite meaning."""
    if isinstance(given, ast.UnaryOp) and isinstance(given.op, ast.Invert):
        return site.source.text_of(given.operand)
    return f"~{site.source.owner_text(given)}"
