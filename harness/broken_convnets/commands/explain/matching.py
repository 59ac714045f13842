"""Find the cases that are similar to an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, structs

from broken_convnets.commands.explain import index_file, numbers, ranking, reading
from broken_convnets.corpus.entries import case_of, default_root
from broken_convnets.corpus.guides import guide_of

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.commands.explain.index import Index
    from broken_convnets.commands.explain.reading import ErrorFacts

TOP = 3


class Match(Struct, frozen=True):
    """A similar case or guide, with a score from 0 to 1.

    `numbers` are sentences about the figures in the text, and `read` is the message that was
    found in it; both are empty if there were none. A guide has no program: `unverified` is the
    reason, and `steps` are what to try, in this order. A case has neither.
    """

    id: str
    score: float
    title: str
    numbers: list[str]
    why: str
    distinguish: str
    read: str
    unverified: str = ""
    steps: list[str] = []


def explain(error: str | ErrorFacts, *, top: int = TOP, corpus: Path | None = None) -> list[Match]:
    """Return the cases that are similar to a message, a traceback or a caught exception.

    The best comes first, and the list is empty if none is similar. `corpus` is a folder with
    cases. Raises CorpusError and RecordError if the corpus or its records cannot be read.
    """
    root = corpus or default_root()
    return matches(root, index_file.read(root), error, top)


def matches(root: Path, index: Index, error: str | ErrorFacts, top: int) -> list[Match]:
    """Return the `top` most similar cases of the corpus in `root`, whose index is known."""
    found = reading.read(error) if isinstance(error, str) else reading.from_facts(error)
    ranks = ranking.rank(index, found, ranking.Weights())
    return [_match(root, rank) for rank in ranks[:top]]


def _match(root: Path, rank: ranking.Rank) -> Match:
    message = rank.candidate
    sentences = list(dict.fromkeys(fact.sentence for fact in numbers.facts(message.message)))
    line = ": ".join(filter(None, (message.raises, message.message)))
    guide = guide_of(root, rank.id)
    spec = guide.spec if guide else case_of(root, rank.id).spec
    match = Match(rank.id, rank.score, spec.title, sentences, spec.why, spec.distinguish, line)
    if guide is None:
        return match
    return structs.replace(match, unverified=guide.spec.unverified, steps=guide.spec.steps)
