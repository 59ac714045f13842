"""The `with torch.no_grad()` blocks of the program."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.sites import site_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.places import Place

NO_GRAD = ("no_grad", "inference_mode", "set_grad_enabled")


def no_grad_block(
    evidence: Evidence, places: Sequence[Place]
) -> tuple[Site | None, ast.With | None]:
    """Return the `with torch.no_grad()` block around places, and the call in it.

    Without a block, it is the innermost call.
    """
    for depth in range(len(places)):
        site = site_of(evidence, places[depth:])
        for node in site.source.ancestors(site.call) if site else ():
            if isinstance(node, ast.With) and site is not None:
                texts = [site.source.text_of(item.context_expr) for item in node.items]
                if any(name in text for text in texts for name in NO_GRAD):
                    return site, node
    return site_of(evidence, places), None
