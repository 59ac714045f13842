"""A schedule is constructed once, and not again in the loop that it is for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.schedulers import BuiltScheduler

REPEATS = 3


@rule(
    "a schedule is constructed once",
    stays_quiet="about new optimizers, and schedulers that advance more than once before the next",
)
def scheduler_recreated(evidence: Evidence) -> Iterator[Finding]:
    """Find schedulers that are constructed in the loop, so that the schedule begins anew."""
    record = evidence.record
    groups: dict[object, list[tuple[int, BuiltScheduler]]] = {}
    for number, built in enumerate(record.built_schedulers):
        groups.setdefault((built.places[:1], built.optimizer), []).append((number, built))
    for group in groups.values():
        counts = [sum(s.scheduler == n for s in record.scheduler_steps) for n, _ in group]
        moments = {built.moment.optimizer_steps for _, built in group}
        if len(group) < REPEATS or len(moments) < REPEATS or max(counts) > 1:
            continue
        site = site_of(evidence, group[0][1].places)
        yield Finding(
            kind="training/scheduler_order",
            message=f"{group[0][1].type} is constructed anew in the loop, so that the schedule "
            "never advances",
            evidence=f"{len(group)} schedulers are constructed for one optimizer, and each of them "
            f"steps at most once",
            cause=location(group[0][1].places),
            subject=group[0][1].type,
            candidates=_before_loop(site) if site else (),
            confidence=7,
        )


def _before_loop(site: Site) -> tuple[Candidate, ...]:
    if site.outermost is site.statement:
        return ()
    move = partial(edits.move, site.source, site.statement, site.outermost, after=False)
    return candidates((0, move))
