"""The messages that differ between releases of torch, as differences word by word."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from broken_convnets.commands.site.entries import release_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.verdicts.records import Baseline

HALF = 0.5  # of two messages: those that share less are shown one after the other
WORD = re.compile(r"\s+|\w+|\W")


@dataclass(frozen=True)
class ChangedMessage:
    """The message of a case in older releases, and in the newest one.

    `pieces` are parts of both: what they share (""), what was deleted ("del"), what is new ("ins").
    """

    id: str
    before: str  # the older releases
    after: str  # the newest release
    pieces: list[tuple[str, str]]


def changed_messages(baselines: Sequence[Baseline]) -> list[ChangedMessage]:
    """Return the messages that changed, by case; the baselines come newest first."""
    newest: dict[str, Baseline] = {}
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for baseline in baselines:
        reference = newest.setdefault(baseline.device, baseline)
        for name in baseline.entries:
            before, after = _message(baseline, name), _message(reference, name)
            if before and after and before != after:
                key = (name, before, after, release_name(reference))
                found.setdefault(key, []).append(release_name(baseline))
    return [
        ChangedMessage(name, ", ".join(releases), last, list(pieces(before, after)))
        for (name, before, after, last), releases in sorted(found.items())
    ]


def pieces(before: str, after: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of two texts, and whether each is in both (""), "del" or "ins"."""
    one, two = WORD.findall(before), WORD.findall(after)
    matcher = SequenceMatcher(None, one, two, autojunk=False)
    if matcher.ratio() < HALF:
        yield from (("del", before), ("ins", after))
        return
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            yield "", "".join(one[a:b])
            continue
        if b > a:
            yield "del", "".join(one[a:b])
        if d > c:
            yield "ins", "".join(two[c:d])


def _message(baseline: Baseline, name: str) -> str:
    record = baseline.entries.get(name)
    side = record.broken if record else None
    return f"{side.raises}: {' '.join(side.message.split())}" if side and side.raises else ""
