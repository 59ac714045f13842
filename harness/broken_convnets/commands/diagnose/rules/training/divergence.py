"""The loss does not grow without bound."""

from __future__ import annotations

import ast
import math
from itertools import pairwise
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import Site, candidates, location, site_of
from broken_convnets.commands.diagnose.source import argument
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate

GROWTH = 1e3  # of the loss, over its first value
PASSES = 3  # at least, to call it a trend


@rule(
    "the loss does not grow a thousandfold during training",
    stays_quiet="about losses below 0, and if the first value is not finite already",
)
def loss_diverges(evidence: Evidence) -> Iterator[Finding]:
    """Find losses that explode because the learning rate is too high."""
    series: dict[object, list[float]] = {}
    for backward in evidence.record.backward_passes:
        if backward.places and len(backward.roots) == 1 and backward.roots[0].scalar is not None:
            series.setdefault(backward.places[0], []).append(backward.roots[0].scalar)
    for losses in series.values():
        finite = [loss for loss in losses if math.isfinite(loss)]
        optimizer = next(iter(evidence.record.built_optimizers), None)
        if optimizer is None or not _grows(losses, finite):
            continue
        site = site_of(evidence, optimizer.places)
        yield Finding(
            kind="training/nan_lr",
            message="the loss grows without bound: the learning rate is too high",
            evidence=f"the loss is {losses[0]:.4g} at the first backward pass and "
            f"{losses[-1]:.4g} at the last of {len(losses)}; the learning rate is "
            f"{optimizer.learning_rates[0]:g}",
            violates=(Law.OUTPUT_AS_DECLARED,),
            cause=location(optimizer.places),
            subject="learning rate",
            cases=("training/learning_rate_too_high",),
            candidates=_lower_rates(site, optimizer.learning_rates[0]) if site else (),
            confidence=8,
        )
        return


def _grows(losses: list[float], finite: list[float]) -> bool:
    if len(losses) < PASSES or len(finite) < PASSES or finite[0] != losses[0] or finite[0] < 0:
        return False
    steady = all(later > earlier for earlier, later in pairwise(finite))
    exploded = len(finite) < len(losses) and steady and finite[-1] > 10 * finite[0]
    return exploded or finite[-1] > GROWTH * max(finite[0], 1.0)


def _lower_rates(site: Site, rate: float) -> tuple[Candidate, ...]:
    """Return lower learning rates, where the constructor has a number."""
    present = argument(site.call, "lr", 1)
    if (present is not None and not isinstance(present, ast.Constant)) or not rate:
        return ()
    return candidates(
        *(
            (
                rank,
                lambda value=rate / 10**power: edits.set_argument(
                    site.source, site.call, "lr", 1, f"{value:g}"
                ),
            )
            for rank, power in enumerate((4, 3, 2, 1) if rate >= 1 else (1, 2, 3))
        )
    )
