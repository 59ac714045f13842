"""The programs that tools are asked about, with opaque ids, and the truth about each."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from broken_convnets.corpus.diff import cause_lines
from broken_convnets.corpus.entries import Case
from broken_convnets.corpus.source_lines import lines_of
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.corpus.entries import Entry


DEVICE = "cpu"  # on which tools meet the programs


class Side(StrEnum):
    """Which of the corpus' programs it is."""

    BROKEN = "broken"
    FIXED = "fixed"
    CONTROL = "control"


@dataclass(frozen=True)
class Truth:
    """What is known of a broken program; lines count from 1."""

    stage: Stage
    kinds: tuple[str, ...]
    cause: frozenset[int]  # lines that the fix changes, and others where an expert might
    symptom: frozenset[int]  # lines of the expression that raises; none where silent
    layer: str | None

    @property
    def silent(self) -> bool:
        """Whether running it raises nothing."""
        return self.stage is Stage.SILENT


@dataclass(frozen=True)
class Program:
    """One program to ask about; `variant` 0 is the corpus' own, `truth` None if it is healthy."""

    id: str  # opaque
    entry: str
    side: Side
    variant: int
    source: str
    truth: Truth | None

    @property
    def key(self) -> tuple[str, str, int]:
        """Return what names it in results."""
        return (self.entry, self.side, self.variant)


def programs(
    entries: Iterable[tuple[int, Entry]], seed: int, release: str = "", device: str = "cpu"
) -> list[Program]:
    """Return every program of some entries, shuffled.

    `entries` come with the number of the variant. Ids and order follow from `seed`, and
    tell nothing to whoever does not know it.
    """
    found = [
        Program(
            _opaque(seed, entry.id, side, number),
            entry.id,
            side,
            number,
            source,
            truth(entry, release, device)
            if side is Side.BROKEN and isinstance(entry, Case)
            else None,
        )
        for number, entry in entries
        for side, source in sides(entry)
    ]
    random.Random(seed).shuffle(found)  # noqa: S311  (no secret: it must be repeatable)
    return found


def is_here(entry: Entry, release: str) -> bool:
    """Return whether an entry is about a release of torch: its case fails, its fix works.

    Where no release is given, every entry is.
    """
    if not release:
        return True
    needed = entry.spec.torch
    if needed and not SpecifierSet(needed).contains(release, prereleases=True):
        return False
    return not isinstance(entry, Case) or entry.spec.broken.on(DEVICE, release).fails


def truth(case: Case, release: str, device: str) -> Truth:
    """Return what is known of a case's broken side under a release of torch."""
    broken = case.spec.broken.on(device, release) if release else case.spec.broken
    also = {line for text in case.spec.other_fix_sites for line in lines_of(text, case.broken)}
    return Truth(
        stage=broken.stage,
        kinds=tuple(case.spec.covers),
        cause=frozenset(cause_lines(case.broken, case.fixed) | also),
        symptom=frozenset(lines_of(broken.expression, case.broken))
        if broken.expression
        else frozenset(),
        layer=broken.layer,
    )


def sides(entry: Entry) -> list[tuple[Side, str]]:
    """Return the programs of an entry, each with which one it is."""
    if isinstance(entry, Case):
        return [(Side.BROKEN, entry.broken), (Side.FIXED, entry.fixed)]
    return [(Side.CONTROL, entry.source)]


def _opaque(seed: int, entry: str, side: Side, variant: int) -> str:
    text = f"{seed}/{entry}/{side}/{variant}".encode()
    return hashlib.blake2b(text, digest_size=6).hexdigest()
