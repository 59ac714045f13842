"""How much two sets have in common."""

from __future__ import annotations


def jaccard_index(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of common elements among all elements of two sets, from 0 to 1."""
    shared = len(one & other)
    return shared / max(len(one) + len(other) - shared, 1)
