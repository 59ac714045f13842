"""Verify the healthy programs of drafts, and choose for each number a draft that can be used."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from broken_convnets.commands.wild.checks import original_check
from broken_convnets.commands.wild.drafts import broken_sources
from broken_convnets.commands.wild.running import SEEDS, Program, executed, observed
from broken_convnets.commands.wild.store import CheckStore, OriginalCheck

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from broken_convnets.commands.wild.drafts import Draft
    from broken_convnets.observe.facts import Run
    from broken_convnets.sandbox.runner import Runner

MAX_DRAFTS = 6  # for one number, until its healthy program works and the mistake has a place
STRUCTURE = "structure"  # marks the check of a network, which is judged by one run
NO_SITE = "no site: no place of the mistake runs, or all are used"


@dataclass(frozen=True)
class Choice:
    """The draft of a number, and the check of its healthy program, with a reason if it fails."""

    draft: Draft
    check: OriginalCheck

    @property
    def usable(self) -> bool:
        """Whether the healthy program works, and a place of the mistake runs."""
        return not self.check.reason and any(broken_sources(self.draft, self.check))


def choices(runner: Runner, store: CheckStore, numbers: Iterable[Iterator[Draft]]) -> list[Choice]:
    """Return the first usable draft of each number, or the last one that was tried.

    A number without a draft has no choice. What is chosen depends on no other number.
    """
    waiting = dict(enumerate(islice(drafts, MAX_DRAFTS) for drafts in numbers))
    found: dict[int, Choice] = {}
    while waiting:
        drafts = {at: draft for at, rest in waiting.items() if (draft := next(rest, None))}
        checks = _checks(runner, store, drafts)
        found |= {at: Choice(draft, checks[at]) for at, draft in drafts.items()}
        waiting = {at: waiting[at] for at in drafts if not found[at].usable}
    return [found[at] for at in sorted(found)]


def _checks(
    runner: Runner, store: CheckStore, drafts: Mapping[int, Draft]
) -> dict[int, OriginalCheck]:
    """Return the check of each draft's healthy program; that of its network if that is rejected.

    Structure does not depend on the run, and torch.export costs more than all other laws: it is
    judged once for each network, in the program that has no run, with one seed.
    """
    networks = _checked(runner, store, [one.plain for one in drafts.values()], STRUCTURE)
    good = {at: one for at, one in drafts.items() if not networks[one.plain].reason}
    sources = _checked(runner, store, [one.original.source for one in good.values()])
    return {
        at: sources[one.original.source] if at in good else networks[one.plain]
        for at, one in drafts.items()
    }


def _checked(
    runner: Runner, store: CheckStore, sources: Iterable[str], *structure: str
) -> dict[str, OriginalCheck]:
    """Return the check of each healthy program; with STRUCTURE, that of its network."""
    different = list(dict.fromkeys(sources))
    stored = {source: store.get(OriginalCheck, source, *structure) for source in different}
    checks = {source: check for source, check in stored.items() if check is not None}
    new = [source for source in different if source not in checks]
    lines = [] if structure else executed(runner, new)
    programs = [
        Program(source, full=bool(structure), seeds=1 if structure else SEEDS) for source in new
    ]

    def judge(at: int, runs: Sequence[Run]) -> OriginalCheck:
        return original_check(runs, lines[at] if lines else [])

    for at, found in observed(runner, programs, judge):
        checks[new[at]] = found
        store.put(found, new[at], *structure)
    return checks
