"""Draw the programs of an evaluation: one side of each pair, by a seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.export.samples import draw_numbered
from broken_convnets.commands.score.entry_selection import generated_variants
from broken_convnets.commands.score.programs.program import applies_to
from broken_convnets.corpus.entries import default_root, load
from broken_convnets.errors import UsageError
from broken_convnets.observe.runner import open_torch_runner
from broken_convnets.sandbox.job import Limits

if TYPE_CHECKING:
    from broken_convnets.commands.score.programs.program import CorpusProgram
    from broken_convnets.corpus.entries import Entry

CORPUS, VARIANTS = "corpus", "variants"
_drawn_from: set[Path] = set()


@dataclass(frozen=True)
class Question:
    """A program to ask about, and its entry, which a solver must not see."""

    program: CorpusProgram
    entry: Entry


@cache
def draw_questions(dataset: str, ids: tuple[str, ...], seed: int) -> dict[str, Question]:
    """Return the questions of an evaluation by sample id, in random order.

    `dataset` is "corpus" for the programs of the corpus, "variants" for one generated variant of
    each, or the folder of another corpus, such as one that `wild` wrote. `ids` selects entries by
    id, topic or glob; empty selects all. Only entries that apply to the installed release of torch
    are drawn. The same arguments return the same questions. Raises UsageError for an unknown
    dataset, and CorpusError for an unknown id.
    """
    root = _root_of(dataset)
    _drawn_from.add(root)
    entries = _entries(root, ids)
    numbered = [(0, entry) for entry in entries]
    if dataset == VARIANTS:
        with open_torch_runner(Limits(hidden=hidden_folders())) as runner:
            numbered = generated_variants(runner, entries, 1, seed)
    by_key = {(entry.id, number): entry for number, entry in numbered}
    programs = draw_numbered(numbered, seed, version("torch"))
    return {one.id: Question(one, by_key[one.entry, one.variant]) for one in programs}


def hidden_folders() -> list[str]:
    """Return the folders with the answers to questions, which no judged program may read."""
    return sorted(map(str, {default_root(), *_drawn_from}))


def _root_of(dataset: str) -> Path:
    if dataset in {CORPUS, VARIANTS}:
        return default_root()
    if dataset and Path(dataset).is_dir():
        return Path(dataset).resolve()
    message = (
        f"unknown dataset {dataset!r}: choose corpus or variants, or name the folder of a corpus, "
        "such as `broken-convnets wild --out DIR` writes"
    )
    raise UsageError(message)


def _entries(root: Path, ids: tuple[str, ...]) -> list[Entry]:
    """Return the selected entries that apply to the installed release of torch."""
    corpus, release = load(root), version("torch")
    names = [name for name in corpus.select(list(ids)) if name in corpus.entries]
    found = [one for one in map(corpus.entries.get, names) if one and applies_to(one, release)]
    if not found:
        message = f"no program of {root} can be used with torch {release}"
        raise UsageError(message)
    return found
