"""How similar two programs are: by the share of their lines that they have in common."""

from __future__ import annotations

import functools

from broken_convnets.util.jaccard import jaccard_index

# The share of common lines from which two programs are near twins. Of those with fewer lines in
# common, almost none is a working fix of the other.
NEARLY_SAME = 0.6

Lines = frozenset[str]


def similarity(one: str, other: str) -> float:
    """Return the share of common lines of two programs (Jaccard index), from 0 to 1."""
    return jaccard_index(lines(one), lines(other))


@functools.cache  # every hand-out asks again
def lines(source: str) -> Lines:
    """Return the lines of a text, without indentation and empty ones."""
    return frozenset(stripped for line in source.splitlines() if (stripped := line.strip()))
