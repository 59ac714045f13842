"""Draw the programs of an evaluation: one side of each pair, by a seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
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

CORPUS, VARIANTS = DATASETS = ("corpus", "variants")


@dataclass(frozen=True)
class Question:
    """A program to ask about, and its entry, which a solver must not see."""

    program: CorpusProgram
    entry: Entry


@cache
def draw_questions(dataset: str, ids: tuple[str, ...], seed: int) -> dict[str, Question]:
    """Return the questions of an evaluation by sample id, in random order.

    `dataset` is "corpus" for the programs of the corpus, or "variants" for one generated variant
    of each. `ids` selects entries by id, topic or glob; empty selects all. Only entries that apply
    to the installed release of torch are drawn. The same arguments return the same questions.
    Raises UsageError for an unknown dataset or id.
    """
    if dataset not in DATASETS:
        message = f"unknown dataset {dataset!r}: choose from {', '.join(DATASETS)}"
        raise UsageError(message)
    corpus, release = load(default_root()), version("torch")
    names = [name for name in corpus.select(list(ids)) if name in corpus.entries]
    entries = [one for one in map(corpus.entries.get, names) if one and applies_to(one, release)]
    numbered = [(0, entry) for entry in entries]
    if dataset == VARIANTS:
        with open_torch_runner(Limits(hidden=[str(default_root())])) as runner:
            numbered = generated_variants(runner, entries, 1, seed)
    by_key = {(entry.id, number): entry for number, entry in numbered}
    programs = draw_numbered(numbered, seed, release)
    return {one.id: Question(one, by_key[one.entry, one.variant]) for one in programs}
