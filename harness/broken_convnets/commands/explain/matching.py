"""Answer somebody whose network has just failed: the cases that are like what they pasted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from broken_convnets.commands.explain import numbers, ranking, reading
from broken_convnets.corpus import entries as corpora
from broken_convnets.corpus import messages
from broken_convnets.corpus.entries import Case
from broken_convnets.util import cache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.corpus.entries import Corpus

TOP = 3


class Match(Struct, frozen=True):
    """A case that is like the text, with a score from 0 to 1.

    `numbers` are sentences about the reader's own figures, `read` is the message that was
    found in the text; both are empty where there was none.
    """

    id: str
    score: float
    title: str
    numbers: list[str]
    why: str
    distinguish: str
    read: str


def explain(text: str, *, top: int = TOP, corpus: Corpus | None = None) -> list[Match]:
    """Return the cases that are like a message or a traceback, the best first.

    The list is empty where nothing in the corpus is like it. Raises CorpusError and
    RecordError where the corpus or its records cannot be read.
    """
    known = corpus or corpora.load(corpora.default_root())
    return ranked(known, index_of(known), text, top)


def ranked(corpus: Corpus, index: ranking.Index, text: str, top: int) -> list[Match]:
    """Return the `top` cases of a corpus that are like a text, by the index of its messages."""
    ranks = ranking.rank(index, reading.read(text), ranking.Weights())
    return [_match(corpus, rank) for rank in ranks[:top]]


def index_of(corpus: Corpus) -> ranking.Index:
    """Return the index of a corpus' messages, remembered until anything it is made of changes."""
    return cache.remembered(
        "explain",
        lambda: _sources(corpus),
        ranking.Index,
        lambda: ranking.build(messages.known(corpus)),
    )


def _sources(corpus: Corpus) -> Iterator[bytes]:
    """Yield what an index depends on: the interpreter, the harness, the corpus, its records."""
    yield sys.version.encode()
    for path in (*sorted(Path(__file__).parent.glob("*.py")), *messages.files(corpus)):
        yield path.read_bytes()
    for entry in corpus.entries.values():
        yield entry.id.encode()
        yield msgspec.msgpack.encode(entry.spec, order="deterministic")


def _match(corpus: Corpus, rank: ranking.Rank) -> Match:
    case = corpus.entries[rank.id]
    assert isinstance(case, Case)  # noqa: S101  (no other entry has messages)
    said = rank.candidate
    sentences = list(dict.fromkeys(fact.sentence for fact in numbers.facts(said.message)))
    line = ": ".join(filter(None, (said.raises, said.message)))
    spec = case.spec
    return Match(case.id, rank.score, spec.title, sentences, spec.why, spec.distinguish, line)
