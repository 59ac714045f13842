"""Detection: how many broken programs a tool flags, and how many healthy ones."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.score.metrics.intervals import (
    Rate,
    RateDifference,
    difference,
    phi,
    rate,
)
from broken_convnets.commands.score.metrics.scored_result import topic
from broken_convnets.commands.score.programs.program import ProgramRole
from broken_convnets.commands.score.protocol.messages import Need
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from broken_convnets.commands.score.metrics.scored_result import ScoredResult

NEEDS_WITHOUT_A_RUN = frozenset({Need.SOURCE, Need.ANNOTATIONS})


class Counts(Struct, frozen=True):
    """The number of programs, and how many of them the tool answered."""

    programs: int
    answered: Rate  # neither declined nor failed
    unsupported: int
    errors: int
    unreachable: int  # broken programs that fail before the tool can examine them


class Recall(Struct, frozen=True):
    """The share of broken programs that are flagged."""

    all: Rate
    raising: Rate  # programs that raise an exception
    silent: Rate  # programs that raise nothing
    with_declined: Rate  # of all broken programs; a declined one counts as missed


class FalsePositives(Struct, frozen=True):
    """The share of healthy programs that are flagged."""

    all: Rate
    fixed: Rate
    control: Rate


class WithWarnings(Struct, frozen=True):
    """The same shares if every warning counted as an alarm."""

    recall: Rate
    false_positives: Rate


class TopicRates(Struct, frozen=True):
    """The same shares for the entries of one topic."""

    recall: Rate
    false_positives: Rate


def counts(results: Sequence[ScoredResult]) -> Counts:
    """Return the counts over all programs."""
    return Counts(
        programs=len(results),
        answered=rate(result.counted and not result.failed for result in results),
        unsupported=sum(not result.counted for result in results),
        errors=sum(result.failed for result in results),
        unreachable=sum(result.unreachable for result in results),
    )


def recall(results: Sequence[ScoredResult]) -> Recall:
    """Return the recall over broken programs."""
    broken = counted(results, ProgramRole.BROKEN)
    return Recall(
        all=flagged_rate(broken),
        raising=flagged_rate([result for result in broken if not is_silent(result)]),
        silent=flagged_rate([result for result in broken if is_silent(result)]),
        with_declined=flagged_rate(
            [result for result in results if result.program.role is ProgramRole.BROKEN]
        ),
    )


def false_positives(results: Sequence[ScoredResult]) -> FalsePositives:
    """Return the false positive rates over healthy programs."""
    fixed, control = (counted(results, role) for role in (ProgramRole.FIXED, ProgramRole.CONTROL))
    return FalsePositives(
        flagged_rate([*fixed, *control]), flagged_rate(fixed), flagged_rate(control)
    )


def with_warnings(results: Sequence[ScoredResult]) -> WithWarnings:
    """Return recall and false positive rate if every warning counted as an alarm."""
    broken = counted(results, ProgramRole.BROKEN)
    healthy = counted(results, ProgramRole.FIXED, ProgramRole.CONTROL)
    return WithWarnings(*(rate(one.warned for one in group) for group in (broken, healthy)))


def youden_j(results: Sequence[ScoredResult]) -> RateDifference:
    """Return Youden's J: recall minus false positive rate. It is 0 for random answers.

    A case and its fix are similar, so a tool's answers on them are correlated. The correlation
    is estimated from the pairs and scaled down by the share of programs without a pair: the
    controls, and programs whose counterpart the tool declined.
    """
    hits, false = recall(results).all, false_positives(results).all
    both = pairs(results)
    if not both:
        return difference(hits, false)
    correlation = phi([(broken.flagged, fixed.flagged) for broken, fixed in both])
    paired: float = len(both) / (hits.of * false.of) ** 0.5
    return difference(hits, false, correlation * paired)


def by_topic(results: Sequence[ScoredResult]) -> dict[str, TopicRates]:
    """Return recall and false positive rate of each topic."""
    groups: defaultdict[str, list[ScoredResult]] = defaultdict(list)
    for result in results:
        groups[topic(result.program.entry)].append(result)
    return {
        name: TopicRates(recall(group).all, false_positives(group).all)
        for name, group in sorted(groups.items())
    }


def early_detection(results: Sequence[ScoredResult], needs: frozenset[Need]) -> Rate | None:
    """Return the share of programs that fail late and that are flagged before they fail.

    A tool that runs nothing is early if the network or the code after it fails. A tool that
    runs the network is early if the network works and the code after it fails. None for any
    other tool, or if there is no such program.
    """
    if not needs or not needs <= NEEDS_WITHOUT_A_RUN | {Need.MODEL}:
        return None
    stages = {Stage.RUN} if Need.MODEL in needs else {Stage.FORWARD, Stage.RUN}
    late = [
        result
        for result in counted(results, ProgramRole.BROKEN)
        if result.program.truth and result.program.truth.stage in stages
    ]
    return flagged_rate(late) if late else None


def flagged_rate(results: Sequence[ScoredResult]) -> Rate:
    """Return the share of `results` that are flagged."""
    return rate(result.flagged for result in results)


def counted(results: Sequence[ScoredResult], *roles: ProgramRole) -> list[ScoredResult]:
    """Return the results that enter the rates, of programs with one of these roles."""
    return [result for result in results if result.counted and result.program.role in roles]


def is_silent(result: ScoredResult) -> bool:
    """Return whether the program is broken but raises nothing."""
    return result.program.truth is not None and result.program.truth.silent


def pairs(results: Sequence[ScoredResult]) -> list[tuple[ScoredResult, ScoredResult]]:
    """Return the results for a broken program and its fixed version, where both are counted."""
    fixed: Mapping[tuple[str, int], ScoredResult] = {
        (result.program.entry, result.program.variant): result
        for result in counted(results, ProgramRole.FIXED)
    }
    broken = {
        (result.program.entry, result.program.variant): result
        for result in counted(results, ProgramRole.BROKEN)
    }
    return [(result, fixed[key]) for key, result in broken.items() if key in fixed]
