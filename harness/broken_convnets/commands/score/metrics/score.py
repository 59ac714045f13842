"""All metrics of one tool, computed from its results; docs/scoring.md defines them."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.score.metrics import detection, localization
from broken_convnets.commands.score.metrics.detection import (
    Counts,
    FalsePositives,
    Recall,
    TopicRates,
    WithWarnings,
)
from broken_convnets.commands.score.metrics.intervals import Rate, RateDifference
from broken_convnets.commands.score.metrics.localization import (
    FixRates,
    KindRates,
    LocationRates,
    PairRates,
)
from broken_convnets.commands.score.metrics.robustness import Robustness, robustness
from broken_convnets.commands.score.metrics.scored_result import program_label, score_results
from broken_convnets.commands.score.metrics.vs_baseline import VsBaseline, compare
from broken_convnets.commands.score.programs.program import ProgramRole
from broken_convnets.commands.score.protocol.messages import Need

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from broken_convnets.commands.score.metrics.scored_result import ScoredResult
    from broken_convnets.commands.score.programs.tool_result import ToolResult

BASELINE_NEEDS = frozenset({Need.RUN, Need.TRACEBACK})


class Seconds(Struct, frozen=True):
    """The run time of the tool per program."""

    median: float
    max: float


class Score(Struct, frozen=True):
    """The metrics of a tool. Variants enter only `robustness` and `seconds`."""

    tool: str
    version: str
    needs: list[Need]
    counts: Counts
    youden_j: RateDifference  # recall minus false positive rate
    recall: Recall
    false_positives: FalsePositives
    with_warnings: WithWarnings
    pairs: PairRates
    location: LocationRates
    kind: KindRates
    fixes: FixRates
    topics: dict[str, TopicRates]
    missed: list[str]  # broken programs that were neither flagged nor declined
    wrongly_flagged: list[str]  # healthy programs
    failed: list[str]  # programs on which the tool failed
    vs_baseline: VsBaseline | None = None  # None without results of the baseline
    early: Rate | None = None  # None for a tool that cannot detect a failure early
    robustness: Robustness | None = None  # None without variants
    seconds: Seconds | None = None  # None without results
    sides: str = "both"  # "one": the tool received one program of each pair, drawn at random


def compute_score(
    results: Sequence[ToolResult],
    baseline: Iterable[ToolResult] | None = None,
    needs: frozenset[Need] = frozenset({Need.SOURCE}),
    *,
    tool: str = "",
    version: str = "",
) -> Score:
    """Return the score of a tool with these needs.

    `baseline` are the results of the plain traceback on the same programs. Raises ValueError
    for two results of one program.
    """
    scored = list(score_results(results, needs).values())
    originals = [one for one in scored if not one.program.variant]
    variants = [one for one in scored if one.program.variant]
    broken = detection.counted(originals, ProgramRole.BROKEN)
    healthy = detection.counted(originals, ProgramRole.FIXED, ProgramRole.CONTROL)
    return Score(
        tool=tool,
        version=version,
        needs=sorted(needs),
        counts=detection.counts(originals),
        youden_j=detection.youden_j(originals),
        recall=detection.recall(originals),
        false_positives=detection.false_positives(originals),
        with_warnings=detection.with_warnings(originals),
        pairs=localization.pair_rates(originals),
        location=localization.location_rates(originals),
        kind=localization.kind_rates(originals),
        fixes=localization.fix_rates(originals),
        topics=detection.by_topic(originals),
        missed=_labels(one for one in broken if not one.flagged),
        wrongly_flagged=_labels(one for one in healthy if one.flagged),
        failed=_labels(one for one in originals if one.failed),
        vs_baseline=_vs_baseline(originals, baseline),
        early=detection.early_detection(originals, needs),
        robustness=robustness(originals, variants),
        seconds=_seconds(results),
    )


def _vs_baseline(
    results: Sequence[ScoredResult], baseline: Iterable[ToolResult] | None
) -> VsBaseline | None:
    if baseline is None:
        return None
    return compare(results, list(score_results(baseline, BASELINE_NEEDS).values()))


def _labels(results: Iterable[ScoredResult]) -> list[str]:
    return sorted(program_label(result.program) for result in results)


def _seconds(results: Sequence[ToolResult]) -> Seconds | None:
    times = [result.seconds for result in results]
    return Seconds(median(times), max(times)) if times else None
