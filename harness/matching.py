"""Answer somebody whose network has just failed: the cases that are like what they pasted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from . import corpus as corpora
from . import messages, numbers, ranking, reading
from .corpus import Case

if TYPE_CHECKING:
    from .corpus import Corpus

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
    tell: str
    read: str


def explain(text: str, *, top: int = TOP, corpus: Corpus | None = None) -> list[Match]:
    """Return the cases that are like a message or a traceback, the best first.

    The list is empty where nothing in the corpus is like it. Raises CorpusError and
    RecordError where the corpus or its records cannot be read.
    """
    known = corpus or corpora.load(corpora.default_root())
    index = ranking.build(messages.known(known))
    ranks = ranking.rank(index, reading.read(text), ranking.Weights())
    return [_match(known, rank) for rank in ranks[:top]]


def _match(corpus: Corpus, rank: ranking.Rank) -> Match:
    case = corpus.entries[rank.id]
    assert isinstance(case, Case)  # noqa: S101  (no other entry has messages)
    said = rank.candidate
    sentences = list(dict.fromkeys(fact.sentence for fact in numbers.facts(said.says)))
    line = ": ".join(filter(None, (said.raises, said.says)))
    spec = case.spec
    return Match(case.id, rank.score, spec.title, sentences, spec.why, spec.tell, line)
