"""Draw the programs of a benchmark for agents: `--seed` repeats sides, order and ids."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from broken_convnets.commands.score.programs.hand_out import Sides, handed_out
from broken_convnets.commands.score.programs.program import corpus_programs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.commands.score.programs.program import CorpusProgram
    from broken_convnets.corpus.entries import Entry


def draw_samples(entries: Iterable[Entry], seed: int) -> list[CorpusProgram]:
    """Return one program of each entry; see `draw_numbered`."""
    return draw_numbered([(0, entry) for entry in entries], seed)


def draw_numbered(
    entries: Iterable[tuple[int, Entry]], seed: int, release: str = ""
) -> list[CorpusProgram]:
    """Return one program of each entry, in random order; a solver may see `id` and `source` only.

    `entries` are pairs of variant number and entry. The seed determines sides, order and ids.
    None of them says anything about a program. What is known about a program is that under a
    release of torch (default: the declaration for all releases).
    """
    programs = corpus_programs(entries, seed, release)
    draw = random.Random(f"{seed}/ids")  # noqa: S311  (repeatable; the default seed is secret)
    return [
        replace(program, id=f"{draw.getrandbits(48):012x}")
        for program in handed_out(programs, seed, Sides.ONE)
    ]
