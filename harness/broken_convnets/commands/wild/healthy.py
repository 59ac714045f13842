"""Verify the healthy programs of drafts, and choose for each number a draft that can be used."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from broken_convnets.commands.wild.checks import original_check
from broken_convnets.commands.wild.drafts import broken_sources
from broken_convnets.commands.wild.running import Program, executed, observed
from broken_convnets.commands.wild.store import CheckStore, OriginalCheck

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from broken_convnets.commands.wild.drafts import Draft
    from broken_convnets.sandbox.runner import Runner

MAX_DRAFTS = 6  # for one number, until its healthy program works and the mistake has a place
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
        checks = _checks(runner, store, list(drafts.values()))
        found |= {at: Choice(draft, _check_of(draft, checks)) for at, draft in drafts.items()}
        waiting = {at: waiting[at] for at in drafts if not found[at].usable}
    return [found[at] for at in sorted(found)]


def _checks(runner: Runner, store: CheckStore, drafts: Sequence[Draft]) -> dict[str, OriginalCheck]:
    """Return the check of each healthy program, and of the same network with no run.

    Structure does not depend on the run, and torch.export costs more than all other laws.
    """
    plain = {draft.plain for draft in drafts}
    sources = dict.fromkeys(
        source for draft in drafts for source in (draft.plain, draft.original.source)
    )
    stored = {source: store.get(OriginalCheck, source) for source in sources}
    checks = {source: check for source, check in stored.items() if check is not None}
    new = [source for source in sources if source not in checks]
    lines = executed(runner, new)
    programs = [Program(source, full=source in plain) for source in new]
    for at, runs in observed(runner, programs):
        checks[new[at]] = found = original_check(runs, lines[at])
        store.put(found, new[at])
    return checks


def _check_of(draft: Draft, checks: dict[str, OriginalCheck]) -> OriginalCheck:
    """Return the check of a draft's healthy program; that of the plain one if that is rejected."""
    plain = checks[draft.plain]
    return plain if plain.reason else checks[draft.original.source]
