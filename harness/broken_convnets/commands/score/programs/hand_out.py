"""Which programs a tool receives: by default one side of each pair, drawn for each hand-out.

Side by side, the two programs of a pair reveal which one is broken: their differences are the
fix. So do near twins, two entries with nearly the same text: they are never in one batch. The
variants of an entry are on the side of the entry, because they resemble it.
"""

from __future__ import annotations

import random
import secrets
from enum import StrEnum
from typing import TYPE_CHECKING

from broken_convnets.commands.score.programs.near_twins import near_twins
from broken_convnets.commands.score.programs.program import ProgramRole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from broken_convnets.commands.score.programs.program import CorpusProgram


class Sides(StrEnum):
    """How much of each pair a hand-out contains."""

    ONE = "one"
    BOTH = "both"


def random_seed() -> int:
    """Return a seed that nobody can predict, or find by trying every seed."""
    return secrets.randbits(48)


def handed_out(programs: Iterable[CorpusProgram], seed: int, sides: Sides) -> list[CorpusProgram]:
    """Return the programs of a hand-out, in their order: all, or one side of each pair.

    The same seed draws the same side of an entry, whatever else is selected.
    """
    if sides is Sides.BOTH:
        return list(programs)
    return [one for one in programs if one.role in {ProgramRole.CONTROL, _side(one.entry, seed)}]


def _side(entry: str, seed: int) -> ProgramRole:
    draw = random.Random(f"{seed}/{entry}")  # noqa: S311  (repeatable, not secret)
    return draw.choice((ProgramRole.BROKEN, ProgramRole.FIXED))


def batches(programs: Sequence[CorpusProgram], size: int) -> Iterator[list[CorpusProgram]]:
    """Yield the programs in batches of at most `size`, none with two programs of one entry.

    Nor does a batch have near twins, or the same text twice.
    """
    rest = list(programs)
    twins = near_twins(rest) if size > 1 else {one.entry: set() for one in rest}
    while rest:  # few rounds: an entry has two programs, some variants, and few near twins
        batch: list[CorpusProgram] = []
        later: list[CorpusProgram] = []
        seen: set[str] = set()
        for program in rest:
            names = {program.entry, program.source}
            fits = len(batch) < size and not (names | twins[program.entry]) & seen
            (batch if fits else later).append(program)
            seen |= names if fits else set()
        yield batch
        rest = later
