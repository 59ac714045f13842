"""How similar two programs are, by their words alone: no syntax, no knowledge of networks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.util.jaccard import jaccard_index

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORD = re.compile(r"\w+|[^\w\s]")
_SIZES = (1, 3, 5)

Phrases = frozenset[str]


def phrases(source: str) -> Phrases:
    """Return the words of a program, and its sequences of three and of five words."""
    found = _WORD.findall(source)
    return frozenset(
        " ".join(found[at : at + size]) for size in _SIZES for at in range(len(found) - size + 1)
    )


def most_similar(program: Phrases, others: Iterable[Phrases]) -> int:
    """Return the position of the most similar of `others`, at least one; the first of equals."""
    return max(enumerate(others), key=lambda item: jaccard_index(program, item[1]))[0]
