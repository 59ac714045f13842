"""Robustness: whether a tool's verdict is the same for variants of a program."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.score.metrics.credit import Credit
from broken_convnets.commands.score.metrics.detection import flagged_rate
from broken_convnets.commands.score.metrics.intervals import Rate, clustered, rate
from broken_convnets.commands.score.programs.program import ProgramRole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from broken_convnets.commands.score.metrics.scored_result import ScoredResult

VariantPair = tuple["ScoredResult", "ScoredResult"]  # for the original and for a variant of it


class Robustness(Struct, frozen=True, omit_defaults=True):
    """Verdicts on variants, compared with the verdicts on their originals.

    A verdict is the status, whether there is an alarm, whether its line is a cause, and its kind.
    """

    same_verdict: Rate  # of variants whose original the tool answered
    same_verdict_if_detected: Rate  # of variants whose original is broken and flagged
    original_recall: Rate  # over the broken programs that have variants
    variant_recall: Rate
    variant_false_positives: Rate
    original_fixes: Rate | None = None  # None if the tool offers no fix for any of these programs
    variant_fixes: Rate | None = None


def robustness(
    originals: Sequence[ScoredResult], variants: Sequence[ScoredResult]
) -> Robustness | None:
    """Return how stable the verdicts are; None if there are no variants.

    Variants of one entry are similar; the intervals take that into account.
    """
    by_program = {(one.program.entry, one.program.role): one for one in originals}
    pairs = [
        (by_program[key], variant)
        for variant in variants
        if (key := (variant.program.entry, variant.program.role)) in by_program
    ]
    if not pairs:
        return None
    answered = [pair for pair in pairs if pair[0].counted and not pair[0].failed]
    counted = [pair for pair in pairs if pair[1].counted]
    broken = {pair[0].program.entry: pair[0] for pair in pairs if _broken(pair)}
    of_broken = [one for one in broken.values() if one.counted]
    on_broken = [pair for pair in counted if _broken(pair)]
    offered = any(one.offers_fix for pair in pairs for one in pair)
    return Robustness(
        same_verdict=_rate(answered, _same),
        same_verdict_if_detected=_rate(
            [pair for pair in answered if _broken(pair) and pair[0].flagged], _same
        ),
        original_recall=flagged_rate(of_broken),
        variant_recall=_rate(on_broken, _flagged),
        variant_false_positives=_rate([pair for pair in counted if not _broken(pair)], _flagged),
        original_fixes=rate(map(_fixed, of_broken)) if offered else None,
        variant_fixes=_rate(on_broken, lambda pair: _fixed(pair[1])) if offered else None,
    )


def _same(pair: VariantPair) -> bool:
    return pair[0].verdict == pair[1].verdict


def _flagged(pair: VariantPair) -> bool:
    return pair[1].flagged


def _fixed(result: ScoredResult) -> bool:
    return Credit.FIXED in result.credit


def _broken(pair: VariantPair) -> bool:
    return pair[0].program.role is ProgramRole.BROKEN


def _rate(pairs: Sequence[VariantPair], hit: Callable[[VariantPair], bool]) -> Rate:
    groups: defaultdict[str, list[bool]] = defaultdict(list)
    for pair in pairs:
        groups[pair[0].program.entry].append(hit(pair))
    return clustered(groups.values())
