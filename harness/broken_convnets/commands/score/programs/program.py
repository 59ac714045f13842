"""The programs that tools diagnose, with opaque ids, and the ground truth about each."""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from broken_convnets.commands.score.programs.guilty_layers import guilty_layers
from broken_convnets.corpus.diff import cause_lines
from broken_convnets.corpus.entries import Case
from broken_convnets.corpus.source_lines import lines_of
from broken_convnets.vocabulary import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.corpus.entries import Entry

DEVICE = "cpu"  # on which tools run the programs


class ProgramRole(StrEnum):
    """The role of a program in the corpus."""

    BROKEN = "broken"
    FIXED = "fixed"
    CONTROL = "control"


@dataclass(frozen=True)
class GroundTruth:
    """What is known about a broken program; lines count from 1."""

    stage: Stage
    kinds: tuple[str, ...]
    cause: frozenset[int]  # lines that the fix changes, and other lines that a fix could change
    symptom: frozenset[int]  # lines of the expression that raises; empty if nothing is raised
    layer: str | None  # the one that raises
    guilty_layers: frozenset[str] = frozenset()  # those that contain the mistake

    @property
    def silent(self) -> bool:
        """Whether running the program raises nothing."""
        return self.stage is Stage.SILENT


@dataclass(frozen=True)
class CorpusProgram:
    """One program. `variant` 0 is the original; `truth` is None for a healthy program."""

    id: str  # random; only the scorer knows to which program it belongs
    entry: str
    role: ProgramRole
    variant: int
    source: str
    truth: GroundTruth | None

    @property
    def key(self) -> tuple[str, str, int]:
        """The identity of the program in results."""
        return (self.entry, self.role, self.variant)


def corpus_programs(
    entries: Iterable[tuple[int, Entry]], seed: int, release: str = ""
) -> list[CorpusProgram]:
    """Return every program of `entries`, pairs of variant number and entry, in random order.

    `seed` determines the order. The ids differ in every call, so nobody can know them in advance.
    """
    found = [
        program_of(entry, number, role, random_id(), release)
        for number, entry in entries
        for role in sources_of(entry)
    ]
    random.Random(seed).shuffle(found)  # noqa: S311  (repeatable, not secret)
    return found


def program_of(
    entry: Entry, number: int, role: ProgramRole, name: str, release: str = ""
) -> CorpusProgram:
    """Return one program of `entry` with the id `name`, and what is known about it."""
    broken = role is ProgramRole.BROKEN
    truth = ground_truth(entry, release, DEVICE) if isinstance(entry, Case) and broken else None
    return CorpusProgram(name, entry.id, role, number, sources_of(entry)[role], truth)


def random_id() -> str:
    """Return a new id: twelve random hexadecimal digits."""
    return secrets.token_hex(6)


def applies_to(entry: Entry, release: str) -> bool:
    """Return whether, under a release of torch, the case of `entry` fails and its fix works.

    Every entry applies to the empty release.
    """
    if not release:
        return True
    needed = entry.spec.torch
    if needed and not SpecifierSet(needed).contains(release, prereleases=True):
        return False
    return not isinstance(entry, Case) or entry.spec.broken.on(DEVICE, release).fails


def ground_truth(case: Case, release: str, device: str) -> GroundTruth:
    """Return what is known about the broken program of `case` under a release of torch."""
    broken = case.spec.broken.on(device, release) if release else case.spec.broken
    other_sites = {
        line for text in case.spec.other_fix_sites for line in lines_of(text, case.broken)
    }
    cause = frozenset(cause_lines(case.broken, case.fixed) | other_sites)
    symptom = lines_of(broken.expression, case.broken) if broken.expression else ()
    return GroundTruth(
        stage=broken.stage,
        kinds=tuple(case.spec.covers),
        cause=cause,
        symptom=frozenset(symptom),
        layer=broken.layer,
        guilty_layers=guilty_layers(case.broken, cause),
    )


def sources_of(entry: Entry) -> dict[ProgramRole, str]:
    """Return the source of each program of `entry`."""
    if isinstance(entry, Case):
        return {ProgramRole.BROKEN: entry.broken, ProgramRole.FIXED: entry.fixed}
    return {ProgramRole.CONTROL: entry.source}
