"""Whether a tool keeps its verdict where a program is only written differently."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.commands.score.intervals import Rate, clustered
from broken_convnets.commands.score.programs import Side
from broken_convnets.commands.score.rates import flagged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from broken_convnets.commands.score.answers import Answer

Pair = tuple["Answer", "Answer"]  # about the corpus' own program, and about a variant of it


class Robustness(Struct, frozen=True):
    """Verdicts on variants, beside those on the programs that they are variants of.

    A verdict is the status, whether the line is right, and the kind.
    """

    same: Rate  # verdicts that stay, of variants of programs that the tool answered
    kept: Rate  # those of variants of broken programs that it flagged
    originals: Rate  # recall of the broken programs that have variants
    variants: Rate  # recall of their variants
    alarms: Rate  # false alarms about variants of healthy programs


def robustness(originals: Sequence[Answer], variants: Sequence[Answer]) -> Robustness | None:
    """Return how verdicts on variants hold; None where there are no variants.

    Variants of one entry resemble each other; the intervals allow for that.
    """
    by_program = {(answer.program.entry, answer.program.side): answer for answer in originals}
    pairs = [
        (by_program[key], answer)
        for answer in variants
        if (key := (answer.program.entry, answer.program.side)) in by_program
    ]
    if not pairs:
        return None
    answered = [pair for pair in pairs if pair[0].counted and not pair[0].failed]
    counted = [pair for pair in pairs if pair[1].counted]
    broken = {pair[0].program.entry: pair[0] for pair in pairs if _broken(pair)}
    return Robustness(
        same=_rate(answered, _same),
        kept=_rate([pair for pair in answered if _broken(pair) and pair[0].flagged], _same),
        originals=flagged([answer for answer in broken.values() if answer.counted]),
        variants=_rate([pair for pair in counted if _broken(pair)], _flagged),
        alarms=_rate([pair for pair in counted if not _broken(pair)], _flagged),
    )


def _same(pair: Pair) -> bool:
    return pair[0].verdict == pair[1].verdict


def _flagged(pair: Pair) -> bool:
    return pair[1].flagged


def _broken(pair: Pair) -> bool:
    return pair[0].program.side is Side.BROKEN


def _rate(pairs: Sequence[Pair], hit: Callable[[Pair], bool]) -> Rate:
    groups: defaultdict[str, list[bool]] = defaultdict(list)
    for pair in pairs:
        groups[pair[0].program.entry].append(hit(pair))
    return clustered(groups.values())
