"""Score what a tool answered: one `Score`, from results alone; docs/scoring.md explains it."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.score import localization, rates
from broken_convnets.commands.score.answers import name, read
from broken_convnets.commands.score.intervals import Difference, Rate
from broken_convnets.commands.score.localization import Cause, Place, Repair, Twins
from broken_convnets.commands.score.programs import Side
from broken_convnets.commands.score.protocol import Need
from broken_convnets.commands.score.rates import Alarms, Counts, Recall, Topic, Warned
from broken_convnets.commands.score.robustness import Robustness, robustness
from broken_convnets.commands.score.vs_baseline import Lift, lift

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from broken_convnets.commands.score.answers import Answer
    from broken_convnets.commands.score.result import Result


class Seconds(Struct, frozen=True):
    """How long the tool takes over one program."""

    median: float
    max: float


class Score(Struct, frozen=True):
    """What a tool's answers are worth. All but `robustness` and `seconds` is without variants."""

    tool: str
    version: str
    needs: list[Need]
    counts: Counts
    headline: Difference  # recall minus false alarms
    recall: Recall
    alarms: Alarms
    warned: Warned
    twins: Twins
    place: Place
    cause: Cause
    repair: Repair
    topics: dict[str, Topic]
    missed: list[str]  # broken programs that were not flagged, nor declined
    alarmed: list[str]  # healthy programs that were flagged
    failed: list[str]  # programs that the tool broke down over
    lift: Lift | None = None  # None without a baseline
    early: Rate | None = None  # None where the tool cannot be early
    robustness: Robustness | None = None  # None without variants
    seconds: Seconds | None = None  # None without results


def score(
    results: Sequence[Result],
    baseline: Iterable[Result] | None = None,
    needs: frozenset[Need] = frozenset({Need.SOURCE}),
    *,
    tool: str = "",
    version: str = "",
) -> Score:
    """Score a tool that works from `needs`.

    `baseline` is what the plain traceback says of the same programs. Raises ValueError where
    a program has two results.
    """
    everything = list(read(results, needs).values())
    answers = [answer for answer in everything if not answer.program.variant]
    variants = [answer for answer in everything if answer.program.variant]
    return Score(
        tool=tool,
        version=version,
        needs=sorted(needs),
        counts=rates.counts(answers),
        headline=rates.headline(answers),
        recall=rates.recall(answers),
        alarms=rates.alarms(answers),
        warned=rates.warned(answers),
        twins=localization.discrimination(answers),
        place=localization.place(answers),
        cause=localization.cause(answers),
        repair=localization.repair(answers),
        topics=rates.topics(answers),
        missed=_names(one for one in rates.of_side(answers, Side.BROKEN) if not one.flagged),
        alarmed=_names(
            one for one in rates.of_side(answers, Side.FIXED, Side.CONTROL) if one.flagged
        ),
        failed=_names(one for one in answers if one.failed),
        lift=None if baseline is None else lift(answers, _baseline(baseline)),
        early=rates.early(answers, needs),
        robustness=robustness(answers, variants),
        seconds=_seconds(results),
    )


def _baseline(results: Iterable[Result]) -> list[Answer]:
    return list(read(results, frozenset({Need.RUN, Need.TRACEBACK})).values())


def _names(answers: Iterable[Answer]) -> list[str]:
    return sorted(name(answer.program) for answer in answers)


def _seconds(results: Sequence[Result]) -> Seconds | None:
    taken = [result.seconds for result in results]
    return Seconds(median(taken), max(taken)) if taken else None
