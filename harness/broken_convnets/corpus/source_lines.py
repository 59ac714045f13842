"""Where in a program a fragment of its text stands; white space counts as one blank."""

from __future__ import annotations

import re


def lines_of(fragment: str, source: str) -> set[int]:
    """Return every line, from 1, that an occurrence of `fragment` in `source` takes part in."""
    pattern = r"\s+".join(map(re.escape, fragment.split()))
    found: set[int] = set()
    for match in re.finditer(pattern, source) if pattern else ():
        first = source.count("\n", 0, match.start()) + 1
        last = source.count("\n", 0, match.end()) + 1
        found |= set(range(first, last + 1))
    return found
