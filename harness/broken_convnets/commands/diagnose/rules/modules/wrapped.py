"""What a network offers is reached through `.module` of DataParallel and its like."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import frame_location, require_failure
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)


@rule(
    "attributes and methods of a wrapped network are read from `.module`",
    stays_quiet="if the network has no such attribute either",
)
def attribute_of_the_wrapped_network(evidence: Evidence) -> Iterator[Finding]:
    """Find `model.encode(x)` where `model` is DataParallel(network)."""
    frame = require_failure(evidence, AttributeError)
    wrapper, name = getattr(evidence.error, "obj", None), getattr(evidence.error, "name", "")
    reads = [
        node
        for node in ast.walk(frame.statement or ast.Pass())
        if isinstance(node, ast.Attribute)
        and node.attr == name
        and frame.value(node.value) is wrapper
    ]
    if not isinstance(wrapper, WRAPPERS) or not reads or not hasattr(wrapper.module, name):
        return
    source, owner = frame.source, reads[0].value
    text, kind = source.text_of(owner), type(wrapper).__name__
    through = partial(edits.replace, source, [(owner, f"{text}.module")])
    yield Finding(
        kind="state/dataparallel_prefix",
        message=f"`{text}` is {kind}, which has no `{name}`; the network inside of it has one",
        evidence=f"`{text}.module` is the {type(wrapper.module).__name__} with `{name}`",
        cause=frame_location(frame),
        subject=f"{text}.{name}",
        candidates=candidates((0, through)),
        confidence=11,
    )
