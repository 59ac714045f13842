"""Choose entries by id, topic, glob, file path or the neutral name that a learner sees."""

from __future__ import annotations

import hashlib
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from broken_convnets.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_ALIAS = re.compile(r"net_[0-9a-f]{6}")


def alias(name: str) -> str:
    """Return the neutral name of an entry: its topic, and a hash of its id.

    An id names the mistake, which is half of the answer. The alias depends on the id alone, so
    it stays the same while the corpus grows.
    """
    return f"{name.partition('/')[0]}/net_{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def select(root: Path, ids: list[str], patterns: Iterable[str]) -> list[str]:
    """Return those of `ids` that match a pattern, sorted; all of them for no patterns.

    A pattern is an id, its last part, a topic, a glob, an alias or the path of a program, in
    upper or lower case. Raises CorpusError, with similar ids, for a pattern that matches nothing,
    and for an empty corpus: a run of nothing would pass.
    """
    if not ids:
        message = f"{root} contains no cases and no controls"
        raise CorpusError(message)
    patterns = list(patterns)
    if not patterns:
        return ids
    chosen: set[str] = set()
    for pattern in patterns:
        found = matching(pattern, ids)
        if not found:
            raise CorpusError(_unknown(pattern, ids))
        chosen.update(found)
    return sorted(chosen)


def matching(pattern: str, ids: Iterable[str]) -> list[str]:
    """Return the ids that a pattern names."""
    wanted = pattern.lower().removesuffix(".py").rstrip("/")
    file = "/".join(wanted.split("/")[-2:])  # `cases/shape/pair.py`, as a traceback prints it
    by_alias = _ALIAS.fullmatch(file.rpartition("/")[2])

    def matches(name: str) -> bool:
        lower = name.lower()
        topic, _, last = lower.partition("/")
        if by_alias and alias(name).endswith(file):
            return True
        return wanted in {lower, topic, last} or file == lower or fnmatchcase(lower, wanted)

    return [name for name in ids if matches(name)]


def _unknown(pattern: str, ids: list[str]) -> str:
    problem = f"no case, control or topic is named {pattern!r}"
    similar = _similar(pattern.lower(), ids)
    if not similar:
        return f"{problem}: see `broken-convnets list`"
    if len(similar) == 1:
        return f"{problem}: did you mean {similar[0]}?"
    return "\n  ".join([f"{problem}: did you mean one of these?", *similar])


def _similar(pattern: str, ids: list[str]) -> list[str]:
    """Return ids that contain the pattern, else close names, else ids with a close word."""
    containing = [name for name in ids if pattern in name.lower()]
    if containing:
        return containing
    from difflib import get_close_matches  # noqa: PLC0415  (slow to import, and rarely needed)

    if "/" in pattern:
        return get_close_matches(pattern, ids, n=8)
    topics = {name.partition("/")[0]: name.partition("/")[0] for name in ids}
    known = topics | {name.partition("/")[2]: name for name in ids}
    close = [known[near] for near in get_close_matches(pattern, known, n=8)]
    words = {word for name in known for word in name.split("_")}
    near = get_close_matches(pattern, words, n=1, cutoff=0.75)
    return close or [name for name in ids if near and near[0] in name]
