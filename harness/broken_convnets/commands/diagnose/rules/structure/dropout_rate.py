"""The rate of Dropout is the share that it drops, not the share that it keeps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Severity
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Operator

MOST = 0.9  # of what a layer receives
LAYERS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


@rule(
    "Dropout keeps more than a tenth of what it receives",
    stays_quiet="about layers that no forward pass in train mode calls",
)
def dropout_drops_nearly_all(evidence: Evidence) -> Iterator[Finding]:
    """Find `nn.Dropout(0.95)`, where 0.95 was to be kept as in other libraries."""
    dropping = {one.owner() for one in evidence.record.operators if one.owner and _drops(one)}
    for built in evidence.record.constructions:
        layer = built.object()
        if layer not in dropping or not isinstance(layer, LAYERS) or layer.p < MOST:
            continue
        if not built.places:
            continue
        site = site_of(evidence, built.places)
        new = f"{1 - layer.p:.3g}"
        fix = partial(edits.set_argument, site.source, site.call, "p", 0, new) if site else None
        yield Finding(
            kind="training/not_learning",
            severity=Severity.WARNING,
            message=f"{built.type} drops {layer.p:.0%} of what it receives in train mode",
            evidence=f"p={layer.p:g} is the probability that a number becomes 0, so that "
            f"{1 - layer.p:.0%} is kept",
            cause=location(built.places),
            subject=built.places[0].text,
            candidates=candidates((0, fix)) if fix else (),
            confidence=4,
        )


def _drops(operator: Operator) -> bool:
    """Return whether a dropout function runs in train mode."""
    training = operator.literals.get(2, operator.literals.get("training"))
    return "dropout" in operator.name and training is True
