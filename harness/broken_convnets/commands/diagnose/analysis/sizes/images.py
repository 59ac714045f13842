"""Images from outside of the network: where they enter, and changes of their channels."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.expressions import wrap_network
from broken_convnets.commands.diagnose.edits import replace
from broken_convnets.commands.diagnose.sites import location_in, site_of
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.analysis.sizes.lineage import Origin
    from broken_convnets.commands.diagnose.analysis.sizes.mismatch import Mismatch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Location
    from broken_convnets.commands.diagnose.source import Source

STAND_INS = {"rand", "randn", "randint", "zeros", "ones", "full", "empty"}
RGB, GRAY, RGBA = 3, 1, 4  # channels
CONVERSIONS = {"to_tensor", "pil_to_tensor", "to_image", "array", "asarray"}


@dataclass(frozen=True)
class ImageChanges:
    """Changes of images; `first` is whether they come before a change of the network."""

    changes: list[Change]
    first: bool
    cause: Location | None = None  # where the images are created, if that is the mistake


def is_from_outside(evidence: Evidence, made: Origin) -> bool:
    """Return whether a value was not computed by any layer of a network."""
    if made.layer is not None or made.flattened:
        return False
    if any(not is_from_outside(evidence, part) for part in made.parts):
        return False
    operator = made.operator
    return operator is None or not operator.layer


def image_changes(found: Mismatch) -> ImageChanges:
    """Return the changes that let images have as many channels as the network expects."""
    if found.declared == RGB:
        opened = list(converted(found.evidence))
        if opened:
            return ImageChanges(opened, first=True)
        created = _stand_in(found)
        if found.arriving == GRAY and created:
            source, node = created
            change: Change = partial(replace, source, [(node, str(RGB))])
            return ImageChanges([change], first=True, cause=location_in(source, node))
        if found.arriving == GRAY:
            return ImageChanges(
                wrap_network(found.evidence, found.failed, "{}.expand(-1, 3, -1, -1)"), first=False
            )
        if found.arriving == RGBA:
            return ImageChanges(wrap_network(found.evidence, found.failed, "{}[:, :3]"), first=True)
    return ImageChanges([], first=False)


def _stand_in(found: Mismatch) -> tuple[Source, ast.Constant] | None:
    """Return the number of channels in `torch.rand(8, 1, 32, 32)`, which stands in for images.

    What a network is called with directly was made for that network; data sets were not.
    """
    operator, latest = found.made_by.operator, found.evidence.record.last_pass
    if operator is None or latest is None or not set(operator.outputs) & set(latest.received):
        return None
    site = site_of(found.evidence, operator.places)
    if site is None or operator.name not in STAND_INS or operator.inputs:
        return None
    sizes = [n for n in ast.walk(site.call) if isinstance(n, ast.Constant) and n.value == GRAY]
    return (site.source, sizes[0]) if len(sizes) == 1 else None


def converted(evidence: Evidence) -> Iterator[Change]:
    """Yield the changes that convert PIL images to RGB, where they are opened or converted."""
    for source in evidence.user_sources:
        if "PIL" not in source.text:
            continue
        for node in source.expressions:
            if isinstance(node, ast.Call) and _is_opener(source, node):
                text = f'{source.text_of(node)}.convert("RGB")'
                yield partial(replace, source, [(node, text)])
            if isinstance(node, ast.Call) and node.args and called_name(node) in CONVERSIONS:
                text = f'{source.text_of(node.args[0])}.convert("RGB")'
                yield partial(replace, source, [(node.args[0], text)])


def _is_opener(source: Source, call: ast.Call) -> bool:
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr != "open":
        return False
    return source.text_of(function.value).endswith("Image")
