"""Arguments of an optimizer by position: the learning rate comes before the momentum."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence

RATE = 0.8  # a learning rate of SGD, at least
MOMENTUM = 0.1  # a momentum, at most


@rule(
    "SGD receives the learning rate before the momentum",
    stays_quiet="unless both are passed by position, the rate is 0.8 to 1 and the momentum is at "
    "most 0.1",
)
def momentum_as_rate(evidence: Evidence) -> Iterator[Finding]:
    """Find `SGD(parameters, 0.9, 0.01)`."""
    for built in evidence.record.built_optimizers:
        site = site_of(evidence, built.places)
        rate, momentum = max(built.learning_rates, default=0), built.settings.get("momentum", 0)
        if built.type != "SGD" or not RATE <= rate < 1 or not 0 < momentum <= MOMENTUM:
            continue
        if site is None or called_name(site.call) != "SGD" or len(site.call.args) < 3:  # noqa: PLR2004
            continue
        first, second = site.call.args[1:3]
        texts = [(first, site.source.text_of(second)), (second, site.source.text_of(first))]
        yield Finding(
            kind="training/not_learning",
            message=f"SGD has the learning rate {rate:g} and the momentum {momentum:g}: they look "
            "exchanged",
            evidence=f"`{built.places[0].text}` passes both by position, where the learning rate "
            "comes first",
            cause=location(built.places),
            subject=built.type,
            candidates=candidates((0, partial(edits.replace, site.source, texts))),
            confidence=6,
        )
