"""Layers that run without autograd at the beginning of a network have trained weights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.no_grad_blocks import no_grad_block
from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.training.lost_graph import (
    begins,
    first_cut,
    without_gradient,
)
from broken_convnets.commands.diagnose.sites import location_in, require_success
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

WORDS = r"pretrained|weights|load_|torch\.load|timm|torchvision\.models|hub\b"
LOADED = re.compile(WORDS, re.IGNORECASE)


@rule(
    "layers that run without autograd at the beginning of a network have trained weights",
    stays_quiet="if the program loads any weights or mentions some, if the parameters do not "
    "require a gradient, and if no optimizer has them; a warning",
)
def untrained_layers_without_autograd(evidence: Evidence) -> Iterator[Finding]:
    """Find `with torch.no_grad(): x = self.cnn(x)` where the weights of cnn are random."""
    require_success(evidence)
    if evidence.record.weight_loads:
        return
    for parameter in without_gradient(evidence):
        cut = first_cut(evidence, parameter)
        if cut is None or not begins(evidence, cut):
            continue
        site, block = no_grad_block(evidence, cut.places)
        if site is None or block is None or LOADED.search(site.source.text):
            continue
        yield Finding(
            kind="training/no_grad_in_forward",
            message=f"{parameter.name} has random values, and runs without autograd: it is never "
            "trained",
            evidence=f"an optimizer has {parameter.name}, which requires a gradient; "
            f"`{site.source.text_of(site.call)}` is inside of a block without autograd, and the "
            "program loads no weights",
            severity=Severity.WARNING,
            violates=(Law.EVERY_PARAMETER_LEARNS,),
            cause=location_in(site.source, block),
            subject=parameter.name,
            module=parameter.name.rpartition(".")[0],
            confidence=6,
        )
        return
