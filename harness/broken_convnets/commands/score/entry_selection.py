"""Select the entries that a hand-out draws from, with generated variants if wanted."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from broken_convnets.commands.score.programs.hand_out import random_seed
from broken_convnets.commands.score.programs.program import applies_to
from broken_convnets.observe.runner import runtime_of
from broken_convnets.util.cache import folder
from broken_convnets.util.progress import track

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from broken_convnets.corpus.entries import Corpus, Entry
    from broken_convnets.sandbox.runner import Runner


def selected_entries(corpus: Corpus, runner: Runner, patterns: list[str]) -> list[Entry]:
    """Return the selected entries that apply to the runner's release of torch."""
    release = runtime_of(runner).torch
    selected = (corpus.entries[name] for name in corpus.select(patterns) if name in corpus.entries)
    return [entry for entry in selected if applies_to(entry, release)]


def generated_variants(
    runner: Runner, entries: Sequence[Entry], count: int, seed: int
) -> list[tuple[int, Entry]]:
    """Return up to `count` verified variants of each entry, with their numbers."""
    if not count:
        return []
    from broken_convnets.commands.variants import verified  # noqa: PLC0415  (only for variants)

    generated = verified(runner, entries, count, seed)
    found = track(generated, "generating variants", count * len(entries))
    return [(variant.number, variant.entry) for variant in found]


class DrawnSeed:
    """A seed that is drawn at random, and drawn again only after the run is complete."""

    def __init__(self, configuration: object) -> None:
        """Use the seed of an interrupted run of `configuration`, which JSON can represent."""
        name = hashlib.blake2b(msgspec.json.encode(configuration), digest_size=12).hexdigest()
        self._path: Path = folder("score-seeds") / name
        saved = self._path.read_text() if self._path.is_file() else ""
        self.value = int(saved) if saved.isdecimal() else random_seed()
        self._path.write_text(str(self.value))

    def delete(self) -> None:
        """Forget the seed."""
        self._path.unlink(missing_ok=True)
