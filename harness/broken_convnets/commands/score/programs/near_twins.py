"""Entries whose programs are nearly the same text, such as a case and a control made from it.

Side by side, their differences point at the mistake, and one may be a fix of the other, as the two
programs of a pair are.
"""

from __future__ import annotations

import random
from itertools import combinations
from typing import TYPE_CHECKING

from broken_convnets.corpus.similarity import NEARLY_SAME, Lines, lines
from broken_convnets.util.jaccard import jaccard_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from broken_convnets.commands.score.programs.program import CorpusProgram


def near_twins(programs: Iterable[CorpusProgram]) -> dict[str, set[str]]:
    """Return the near twins of each entry. Of generated variants, only the first one counts."""
    texts: dict[str, dict[int, list[Lines]]] = {}
    for one in programs:
        texts.setdefault(one.entry, {}).setdefault(one.variant, []).append(lines(one.source))
    first = {entry: by_variant[min(by_variant)] for entry, by_variant in texts.items()}
    found: dict[str, set[str]] = {entry: set() for entry in first}
    for one_entry, other in combinations(first, 2):
        if any(
            jaccard_index(one, two) >= NEARLY_SAME
            for one in first[one_entry]
            for two in first[other]
        ):
            found[one_entry].add(other)
            found[other].add(one_entry)
    return found


def without_near_twins(twins: Mapping[str, set[str]], seed: int) -> set[str]:
    """Return one entry of each group of near twins, drawn at random."""
    chosen: set[str] = set()
    for entry in sorted(twins, key=lambda name: _position(name, seed)):
        if not twins[entry] & chosen:
            chosen.add(entry)
    return chosen


def _position(entry: str, seed: int) -> float:
    return random.Random(f"near twins {seed}/{entry}").random()  # noqa: S311  (not secret)
