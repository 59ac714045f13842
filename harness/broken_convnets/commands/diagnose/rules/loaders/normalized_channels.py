"""Normalize has as many means as the image has channels."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING, Any

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loaders.transforms import (
    failed_chain,
    listed_transforms,
    unequal_channels,
)
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loaders.transforms import Chain
    from broken_convnets.commands.diagnose.source import Source

Attempt = tuple[int, "Callable[[], Patch]"]


@rule(
    "Normalize has one mean and one standard deviation for each channel",
    stays_quiet="about a Normalize that is not in a Compose of torchvision",
)
def normalize_channels(evidence: Evidence) -> Iterator[Finding]:
    """Find the means of color images that a grayscale image receives, and the reverse."""
    frame = require_failure(evidence, RuntimeError, ValueError)
    chain = failed_chain(evidence)
    numbers = unequal_channels(chain) if chain else None
    if chain is None or numbers is None:
        return
    means, channels = numbers
    shape = list(getattr(chain.received, "shape", ()))
    found = listed_transforms(evidence, chain)
    place = Location(found[0].path, found[1].elts[chain.position].lineno) if found else None
    yield Finding(
        kind="shape/channels_mismatch",
        message=f"Normalize has {means} means, and the image has {channels} channel"
        f"{'s' if channels > 1 else ': it is grayscale'}",
        evidence=f"Normalize receives a tensor of shape {shape}, whose channels are in dimension "
        f"{len(shape) - 3}",
        cause=place or frame_location(frame),
        symptom=frame_location(frame),
        subject="Normalize",
        candidates=candidates(*_repairs(chain, *found)) if found and channels == 1 else (),
        confidence=11,
    )


def _repairs(chain: Chain, source: Source, listed: ast.List) -> Iterator[Attempt]:
    """Yield one mean for one channel, if all are equal, and three channels of one."""
    call, transform = listed.elts[chain.position], chain.transform
    values: list[Any] = [getattr(transform, name) for name in ("mean", "std")]
    if not isinstance(call, ast.Call):
        return
    name = source.text_of(call.func)
    if all(len(set(each)) == 1 for each in values):
        new = f"{name}(({values[0][0]},), ({values[1][0]},))"
        yield 0, partial(edits.replace, source, [(call, new)])
    texts = [source.text_of(element) for element in listed.elts]
    prefix = name.rpartition(".")[0]
    gray = f"{prefix}.Grayscale(3)" if prefix else "Grayscale(3)"
    yield 1, partial(edits.replace, source, [(listed, f"[{', '.join([gray, *texts])}]")])
