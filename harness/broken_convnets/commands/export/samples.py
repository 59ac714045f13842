"""Draw the programs of a benchmark for agents: one side of each pair, in random order.

With both sides of a pair, a solver could compare them. Ids and order come from the seed alone,
so that they say nothing about a program.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.score.programs.program import ProgramRole, sources_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.corpus.entries import Entry


@dataclass(frozen=True)
class Sample:
    """One program to repair, or to leave as it is. A solver may see `id` and `source` only."""

    id: str
    source: str
    entry: Entry
    role: ProgramRole


def draw_samples(entries: Iterable[Entry], seed: int) -> list[Sample]:
    """Return one program of each entry, with random ids, in random order."""
    draw = random.Random(seed)  # noqa: S311  (repeatable; the default seed is secret)
    chosen = [(entry, *draw.choice(list(sources_of(entry).items()))) for entry in entries]
    draw.shuffle(chosen)
    return [
        Sample(f"{draw.getrandbits(48):012x}", source, entry, role)
        for entry, role, source in chosen
    ]
