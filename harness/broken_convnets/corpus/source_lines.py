"""Find a fragment of source text in a program; any white space equals one blank."""

from __future__ import annotations

import re


def lines_of(fragment: str, source: str) -> set[int]:
    """Return the line numbers, from 1, of every occurrence of `fragment` in `source`."""
    pattern = r"\s+".join(map(re.escape, fragment.split()))
    found: set[int] = set()
    for match in re.finditer(pattern, source) if pattern else ():
        first = source.count("\n", 0, match.start()) + 1
        last = source.count("\n", 0, match.end()) + 1
        found |= set(range(first, last + 1))
    return found
