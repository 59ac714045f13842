"""Entries whose programs are nearly the same text, such as a case and a control made from it.

Side by side, their differences point at the mistake, and one may be a fix of the other, as the two
programs of a pair are.
"""

from __future__ import annotations

import random
from itertools import combinations
from typing import TYPE_CHECKING

from broken_convnets.util.jaccard import jaccard_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from broken_convnets.commands.score.programs.program import CorpusProgram

# The share of common lines from which two programs are near twins. Of those with fewer lines in
# common, almost none is a working fix of the other.
NEARLY_SAME = 0.6

Lines = frozenset[str]


def near_twins(programs: Iterable[CorpusProgram]) -> dict[str, set[str]]:
    """Return the near twins of each entry. Of generated variants, only the first one counts."""
    texts: dict[str, dict[int, list[Lines]]] = {}
    for one in programs:
        texts.setdefault(one.entry, {}).setdefault(one.variant, []).append(_lines(one.source))
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


def similarity(one: str, other: str) -> float:
    """Return the share of common lines of two programs (Jaccard index), from 0 to 1."""
    return jaccard_index(_lines(one), _lines(other))


def _position(entry: str, seed: int) -> float:
    return random.Random(f"near twins {seed}/{entry}").random()  # noqa: S311  (not secret)


def _lines(source: str) -> Lines:
    return frozenset(stripped for line in source.splitlines() if (stripped := line.strip()))
