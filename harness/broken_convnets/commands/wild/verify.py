"""Run healthy and broken programs, and keep those that work and fail as their class says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.wild.checks import broken_check
from broken_convnets.commands.wild.declaring import case_for
from broken_convnets.commands.wild.drafts import Draft, Draws, broken_sources
from broken_convnets.commands.wild.healthy import NO_SITE, Choice, choices
from broken_convnets.commands.wild.running import Program, observed
from broken_convnets.commands.wild.store import BrokenCheck, CheckStore
from broken_convnets.vocabulary import STRUCTURAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.corpus.entries import Case
    from broken_convnets.corpus.spec import Healthy
    from broken_convnets.observe.facts import Run
    from broken_convnets.sandbox.runner import Runner

BATCH = 64  # programs that are drawn before the first of them runs
CLUSTER_BATCH = 8 * BATCH  # enough to keep about 50 workers busy
MAX_FACTOR = 3  # numbers per requested program before giving up


@dataclass(frozen=True)
class Checked:
    """A draft after its verification: the case, or the reason why it is rejected."""

    draft: Draft
    case: Case | None
    reason: str = ""

    @property
    def exists(self) -> bool:
        """Whether there is a broken program: the mistake fits into the healthy one."""
        return self.reason != NO_SITE


@dataclass(frozen=True)
class Candidate:
    """A broken program, and what its healthy one declares."""

    draft: Draft
    source: str
    healthy: Healthy

    @property
    def key(self) -> tuple[str, str]:
        """What the outcome depends on, besides the healthy program."""
        return self.draft.fault.case, self.source

    @property
    def needs_structure(self) -> bool:
        """Whether the fault class violates a law of structure."""
        return bool(STRUCTURAL & self.draft.fault.violates)


def generate(
    runner: Runner, draws: Draws, wanted: int, store: CheckStore, batch: int = BATCH
) -> Iterator[Checked]:
    """Yield drafts in the order of their numbers until `wanted` of them are verified.

    Which ones depends on nothing but the draws: neither on the order in which programs finish,
    nor on `wanted` or `batch`. Stops after MAX_FACTOR times `wanted` numbers.
    """
    missing, number = wanted, 0
    seen: set[str] = set()
    while missing and number < MAX_FACTOR * wanted:
        size = min(batch, missing)
        numbers = [draws.drafts(one) for one in range(number, number + size)]
        number += size
        for checked in _checked(runner, store, choices(runner, store, numbers), seen):
            yield checked
            missing -= checked.case is not None


def _checked(
    runner: Runner, store: CheckStore, chosen: Sequence[Choice], seen: set[str]
) -> Iterator[Checked]:
    """Yield what becomes of the drafts, in their order; none makes a program that is in `seen`."""
    candidates = [_candidate(one, seen) for one in chosen]
    programs = [one for one in candidates if one is not None]
    outcomes = dict(zip(map(id, programs), _outcomes(runner, store, programs), strict=True))
    for one, candidate in zip(chosen, candidates, strict=True):
        if candidate is None:
            yield Checked(one.draft, None, one.check.reason or NO_SITE)
            continue
        outcome, case = outcomes[id(candidate)], None
        if outcome.broken:
            case = case_for(one.draft, candidate.source, outcome, candidate.healthy)
        yield Checked(one.draft, case, outcome.reason)


def _candidate(chosen: Choice, seen: set[str]) -> Candidate | None:
    """Return a program that is not in `seen`, and add it; None if there is none."""
    if chosen.check.healthy is None:
        return None
    found = broken_sources(chosen.draft, chosen.check)
    source = next((one for one in found if one not in seen), None)
    if source is None:
        return None
    seen.add(source)
    return Candidate(chosen.draft, source, chosen.check.healthy)


def _outcomes(
    runner: Runner, store: CheckStore, candidates: Sequence[Candidate]
) -> list[BrokenCheck]:
    """Return the check of each broken program, in their order."""
    checks = [store.get(BrokenCheck, *one.key) for one in candidates]
    new = [at for at, check in enumerate(checks) if check is None]
    programs = [Program(candidates[at].source, candidates[at].needs_structure) for at in new]

    def judge(number: int, runs: Sequence[Run]) -> BrokenCheck:
        one = candidates[new[number]]
        return broken_check(one.draft.fault, one.healthy, runs)

    for number, found in observed(runner, programs, judge):
        checks[new[number]] = found
        store.put(found, *candidates[new[number]].key)
    return [check for check in checks if check is not None]
